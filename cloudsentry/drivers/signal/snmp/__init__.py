"""Load as a switch or a host counts it: SNMP v2c (extra [snmp])."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any
from urllib.parse import urlsplit

from cloudsentry.drivers.signal.base import SignalDriver
from cloudsentry.drivers.signal.counters import rate
from cloudsentry.records.scaling import Count, Missing, Reading

BITS = {"Counter32": 32, "Counter64": 64}


class SnmpSignal(SignalDriver):
    """``url`` is ``snmp://HOST[:PORT]``, ``query`` one or more OIDs of counters, separated by commas; they add up."""

    def read(self) -> Reading | Missing:
        """One GET of all counters. Wraps of 32 and 64 bits are seen; an agent that does not answer is missing."""
        where = urlsplit(self.options.url)
        source = f"snmp {where.hostname or self.options.url}"
        try:
            from pysnmp import error as failing
        except ImportError:
            return Missing(why="pysnmp is not installed: pip install cloudsentry[snmp]", source=source)
        oids = [oid.strip() for oid in self.options.query.split(",") if oid.strip()]
        try:
            trouble, rows = asyncio.run(self._asked(where.hostname or "", where.port or 161, oids))
        except (failing.PySnmpError, OSError, ValueError) as error:
            return Missing(why=f"{type(error).__name__}: {str(error)[:120]}", source=source)
        if trouble:
            return Missing(why=trouble, source=source)
        return self._rated(rows, source)

    async def _asked(self, host: str, port: int, oids: list[str]) -> tuple[str, list[tuple[str, Any]]]:
        from pysnmp.hlapi.v3arch import asyncio as snmp

        engine = snmp.SnmpEngine()
        try:
            target = await snmp.UdpTransportTarget.create((host, port), timeout=self.options.timeout / 2, retries=1)
            indication, status, _, rows = await snmp.get_cmd(
                engine,
                snmp.CommunityData(self.options.community, mpModel=1),
                target,
                snmp.ContextData(),
                *(snmp.ObjectType(snmp.ObjectIdentity(oid)) for oid in oids),
                lookupMib=False,
            )
        finally:
            engine.close_dispatcher()
        if indication or status:
            return str(indication or status.prettyPrint()), []
        return "", [(str(row[0]), row[1]) for row in rows]

    def _rated(self, rows: list[tuple[str, Any]], source: str) -> Reading | Missing:
        now, counts, bits = dt.datetime.now(dt.UTC), [], 64
        for oid, value in rows:
            kind = type(value).__name__
            if kind not in BITS:
                return Missing(why=f"{oid} is no counter, but {kind}", source=source)
            bits = min(bits, BITS[kind])
            counts.append(Count(name=oid, value=int(value), at=now))
        return rate(self.options.before, counts, self.options.unit, source, bits)
