"""compute_driver = hypervisor.LabDriver: Nova's own fake driver, whose servers have a disk, a network and a program.

A server's disk is disks.py's (a snapshot uploads it), its network and program are guests.py's. The hypervisor's size
and quotas are in <state_path>/hv.json, the servers it has in <state_path>/guests.json.

Faults, in <state_path>/fault.json (see faults.py): "op" (spawn, snapshot, live_migration, finish_migration, power_on,
power_off, destroy), "server" (regular expression over the server's name), and "what":
    fail        the operation fails; Nova tries another host
    reschedule  the host says it has no room
    abort       the build ends in ERROR at once
    hang        the operation takes "delay" seconds more
    full        (no op) the host reports that all it has is reserved
    slow        (no op) the host's quotas are halved
"""

import contextlib
import json
import os
import re
import threading
import time

import asked
import disks
import faults
import guests
import link
import nova.conf
import quotas
import wires
from nova import context as nova_context
from nova import exception
from nova.compute import power_state, task_states
from nova.image import glance
from nova.virt import fake
from oslo_log import log as logging

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)
SIZE = {"vcpus": 64, "memory_mb": 65536, "local_gb": 2000, "server_quota": 100, "host_quota": 200}
LOOK_S = 2.0  # how often the file of faults is looked at for full and slow, and metadata is read


class LabDriver(fake.FakeDriverWithoutFakeNodes):
    """One hypervisor of the lab."""

    def __init__(self, virtapi, read_only=False):
        self.size = SIZE | wires.read(f"{CONF.state_path}/hv.json")
        self.vcpus, self.memory_mb, self.local_gb = (self.size[name] for name in ("vcpus", "memory_mb", "local_gb"))
        super().__init__(virtapi, read_only)
        self.image_api = glance.API()
        self.disks = disks.Disks(CONF.state_path, self.image_api)
        self.cloud = os.environ["LAB_CLOUD"]
        self.faults = faults.Store(f"{CONF.state_path}/fault.json")
        self.no_network = wires.available()
        self._lock = threading.Lock()
        self._under_way = {}  # by server: what ends its live migration early, and how
        self._kept = wires.read(f"{CONF.state_path}/guests.json")
        for uuid, kept in self._kept.items():
            self.instances[uuid] = fake.FakeInstance(kept["name"], kept["state"], uuid)

    def init_host(self, host):
        super().init_host(host)
        if self.no_network:
            LOG.warning("servers of %s carry no traffic: %s", host, self.no_network)
        else:
            self._apply_quotas()
            for uuid in list(self._kept):
                with self._logged(uuid):
                    self._come_back(uuid)
        threading.Thread(target=self._watch, daemon=True).start()

    # Quotas and faults

    def _fault(self, op, instance, rest=time.sleep):
        def meets(fault):
            return (
                fault.get("op") == op and re.search(fault.get("server") or "", instance.display_name or "") is not None
            )

        fault = self.faults.strike(meets)
        if fault is None:
            return
        LOG.warning("fault %s strikes %s of %s", fault["id"], op, instance.uuid)
        if fault["what"] == "hang":
            rest(fault["delay"])
        elif fault["what"] == "reschedule":
            raise exception.ComputeResourcesUnavailable(reason="lab fault")
        elif fault["what"] == "abort":
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason="lab fault")
        else:
            raise exception.InternalError(f"lab fault in {op}")

    def _has(self, what):
        return any(fault["what"] == what for fault in self.faults.all())

    def _percent(self):
        """The quotas of a server and of the host now."""
        factor = 0.5 if self._has("slow") else 1.0
        host = self.size["host_quota"] * factor
        return min(self.size["server_quota"] * factor, host), host

    def _apply_quotas(self):
        server, host = self._percent()
        quotas.set_host(self._host, host, server)

    def _watch(self):
        """Full and slow take effect when they are ordered, not when Nova asks next."""
        was = {"slow": self._has("slow"), "full": False}
        while True:
            time.sleep(LOOK_S)
            with self._logged("faults"):
                now = {what: self._has(what) for what in was}
                if now["slow"] != was["slow"] and not self.no_network:
                    self._apply_quotas()
                if now["full"] != was["full"]:
                    self.virtapi._compute.update_available_resource(nova_context.get_admin_context())
                was = now
            with self._logged("metadata"):
                self._tell()

    def _tell(self):
        """Servers with a program of their own find the metadata that they have now."""
        wanting = [uuid for uuid in list(self._kept) if self._guest(uuid).asks()]
        for uuid, name, told in asked.metadata(self._host, wanting) if wanting else ():
            self._guest(uuid, name).tell(told)

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        super().update_provider_tree(provider_tree, nodename, allocations)
        if self._has("full"):
            inventory = provider_tree.data(nodename).inventory
            everything = {name: entry | {"reserved": entry["total"]} for name, entry in inventory.items()}
            provider_tree.update_inventory(nodename, everything)

    # The server's namespace

    @contextlib.contextmanager
    def _logged(self, what):
        try:
            yield
        except Exception:
            LOG.exception("%s", what)

    def _guest(self, uuid, name=""):
        # The program's folder is no hypervisor's own: it stays where it is when the server moves while it runs.
        folder = os.path.join(os.path.dirname(CONF.state_path), "guests", uuid)
        return guests.Guest(self.cloud, self._host, folder, uuid, name)

    def _join(self, ports):
        """The ports' VLAN networks are known to the link between the sites: with their other half, if any, they are
        one layer 2.
        """
        for network in {port["network"] for port in ports}:
            with self._logged(network):
                segment = asked.segment(network)
                if segment["network_type"] == "vlan":
                    bridge = wires.bridge_name(network)
                    link.join(self.cloud, segment["physical_network"], segment["segmentation_id"], bridge)

    def _wire(self, instance, network_info, power_on=True):
        """The server runs here with these ports; kept, so that it comes back with the hypervisor."""
        ports = [guests.port_of(vif) for vif in network_info or []]
        if not self.no_network:
            guest = self._guest(instance.uuid, instance.display_name)
            guest.prepare(instance.user_data)
            if instance.user_data:
                guest.tell(dict(instance.metadata or {}))
            guest.plug(ports)
            self._join(ports)
            if power_on:
                guest.start(self._percent()[0])
        self._keep(instance.uuid, server=instance.display_name, ports=ports)

    def _come_back(self, uuid):
        """After the lab, or only this hypervisor's agent, was down: what ran runs again, what still runs is left
        alone.
        """
        kept = self._kept[uuid]
        guest = self._guest(uuid, kept.get("server", ""))
        if guests.owner(uuid) is not None or not guest.prepared():
            return
        guest.plug(kept.get("ports", []))
        self._join(kept.get("ports", []))
        if kept["state"] == power_state.RUNNING:
            guest.start(self._percent()[0])
        else:
            guest.stop()

    def _on(self, verb, uuid, *arguments):
        """Do something to the server's namespace, if there are namespaces."""
        if not self.no_network:
            getattr(self._guest(uuid, self._kept.get(uuid, {}).get("server", "")), verb)(*arguments)

    def _keep(self, uuid, **changed):
        """guests.json says what the hypervisor has."""
        with self._lock:
            if changed:
                self._kept[uuid] = self._kept.get(uuid, {}) | changed
            self._kept = {
                uuid: self._kept.get(uuid, {}) | {"name": one.name, "state": one.state}
                for uuid, one in list(self.instances.items())
            }
            wires.replace(f"{CONF.state_path}/guests.json", json.dumps(self._kept))

    def _set_state(self, instance, state):
        self.instances[instance.uuid].state = state
        self._keep(instance.uuid)

    # Nova's virt driver API

    def spawn(
        self,
        context,
        instance,
        image_meta,
        injected_files,
        admin_password,
        allocations,
        network_info=None,
        block_device_info=None,
        power_on=True,
        accel_info=None,
    ):
        self._fault("spawn", instance)
        image = image_meta.id if image_meta is not None and "id" in image_meta else None
        self.disks.make(context, instance.uuid, image or instance.image_ref)
        self._claim(context, instance, image_meta, network_info, power_on)
        self._wire(instance, network_info, power_on)

    def _claim(self, context, instance, image_meta, network_info=None, power_on=True):
        super().spawn(context, instance, image_meta, None, None, None, network_info, None, power_on)

    def destroy(
        self, context, instance, network_info, block_device_info=None, destroy_disks=True, destroy_secrets=True
    ):
        self._fault("destroy", instance)
        self._on("destroy" if destroy_disks else "unplug", instance.uuid)
        super().destroy(context, instance, network_info, block_device_info, destroy_disks, destroy_secrets)
        if destroy_disks:
            self.disks.remove(instance.uuid)
        self._keep(instance.uuid)

    def cleanup(self, *args, **kwargs):
        """destroy() has left nothing."""

    def snapshot(self, context, instance, image_id, update_task_state):
        self._fault("snapshot", instance)
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        image = self.image_api.get(context, image_id)
        properties = {"image_location": "snapshot", "image_state": "available", "owner_id": instance.project_id}
        meta = {
            "status": "active",
            "name": image.get("name"),
            "container_format": "bare",
            "disk_format": "raw",
            "properties": properties,
        }
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
        self.disks.make(context, instance.uuid, instance.image_ref)
        with open(self.disks.path(instance.uuid), "rb") as disk:
            self.image_api.update(context, image_id, meta, disk)

    def power_on(self, context, instance, network_info, block_device_info=None, accel_info=None, share_info=None):
        self._fault("power_on", instance)
        super().power_on(context, instance, network_info, block_device_info, accel_info, share_info)
        self._on("start", instance.uuid, self._percent()[0])
        self._keep(instance.uuid)

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._fault("power_off", instance)
        super().power_off(instance, timeout, retry_interval)
        self._on("stop", instance.uuid)
        self._keep(instance.uuid)

    def reboot(
        self,
        context,
        instance,
        network_info,
        reboot_type,
        block_device_info=None,
        bad_volumes_callback=None,
        accel_info=None,
        share_info=None,
    ):
        self._fault("reboot", instance)
        if instance.uuid not in self.instances:
            self._claim(context, instance, instance.image_meta)
            self._wire(instance, network_info)
        else:
            self._on("stop", instance.uuid)
            self.power_on(context, instance, network_info)

    def pause(self, instance):
        self._on("freeze", instance.uuid)
        self._set_state(instance, power_state.PAUSED)

    def unpause(self, instance):
        self._on("thaw", instance.uuid)
        self._set_state(instance, power_state.RUNNING)

    def suspend(self, context, instance):
        self._on("freeze", instance.uuid)
        self._set_state(instance, power_state.SUSPENDED)

    def resume(self, context, instance, network_info, block_device_info=None, share_info=None):
        self._on("thaw", instance.uuid)
        self._set_state(instance, power_state.RUNNING)

    def attach_interface(self, context, instance, image_meta, vif):
        super().attach_interface(context, instance, image_meta, vif)
        port = guests.port_of(vif)
        self._on("attach", instance.uuid, port)
        self._join([] if self.no_network else [port])
        self._keep(instance.uuid, ports=[*self._kept[instance.uuid].get("ports", []), port])

    def detach_interface(self, context, instance, vif):
        self._interfaces.pop(vif["id"], None)
        self._on("detach", instance.uuid, vif["id"])
        ports = self._kept[instance.uuid].get("ports", [])
        self._keep(instance.uuid, ports=[port for port in ports if port["id"] != vif["id"]])

    def migrate_disk_and_power_off(
        self, context, instance, dest, flavor, network_info, block_device_info=None, timeout=0, retry_interval=0
    ):
        self._fault("migrate_disk_and_power_off", instance)
        self._on("unplug", instance.uuid)

    def finish_migration(
        self,
        context,
        migration,
        instance,
        disk_info,
        network_info,
        image_meta,
        resize_instance,
        allocations,
        block_device_info=None,
        power_on=True,
        share_info=None,
    ):
        self._fault("finish_migration", instance)
        self.disks.take(instance.uuid, migration.source_compute)
        self._claim(context, instance, image_meta, network_info, power_on)
        self._wire(instance, network_info, power_on)

    def finish_revert_migration(
        self, context, instance, network_info, migration, block_device_info=None, power_on=True, share_info=None
    ):
        super().finish_revert_migration(
            context, instance, network_info, migration, block_device_info, power_on, share_info
        )
        self._wire(instance, network_info, power_on)

    def live_migration(
        self, context, instance, dest, post_method, recover_method, block_migration=False, migrate_data=None
    ):
        self._under_way[instance.uuid] = (ended := threading.Event()), (how := [])
        try:
            self._fault("live_migration", instance, ended.wait)
            if "abort" in how:
                recover_method(context, instance, dest, migrate_data, migration_status="cancelled")
                return
            self.disks.give(instance.uuid, dest)
        except Exception:
            recover_method(context, instance, dest, migrate_data)
            raise
        finally:
            self._under_way.pop(instance.uuid, None)
        super().live_migration(context, instance, dest, post_method, recover_method, block_migration, migrate_data)

    def _end_migration(self, instance, how):
        if known := self._under_way.get(instance.uuid):
            known[1].append(how)
            known[0].set()

    def live_migration_force_complete(self, instance):
        self._end_migration(instance, "force")

    def live_migration_abort(self, instance):
        self._end_migration(instance, "abort")

    def post_live_migration(self, context, instance, block_device_info, migrate_data=None):
        self.instances.pop(instance.uuid, None)
        self.disks.remove(instance.uuid)
        self._keep(instance.uuid)

    def post_live_migration_at_destination(
        self, context, instance, network_info, block_migration=False, block_device_info=None
    ):
        self._claim(context, instance, None, network_info)
        ports = [guests.port_of(vif) for vif in network_info or []]
        self._keep(instance.uuid, server=instance.display_name, ports=ports)
        self._on("adopt", instance.uuid, self._percent()[0])

    def instance_on_disk(self, instance):
        return self.disks.exists(instance.uuid)

    def get_console_output(self, context, instance):
        return self._guest(instance.uuid).console()
