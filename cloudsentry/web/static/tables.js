// The words of the page, and its tables: which columns, in which order, and which rows are trouble.
"use strict";

const number = value => Math.round(value).toLocaleString("en");
const time = seconds => new Date(seconds * 1000).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
const minute = seconds => new Date(seconds * 1000).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", hourCycle: "h23"});
const percent = share => (share === null ? "–" : `${Math.round(share * 10) / 10} %`);
const load = (value, unit) => (value === null ? "–" : unit === "requests/s" ? `${number(value)}/s` : `${number(value)} ${unit}`);

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds)), d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${s % 60} s` : `${s} s`;
}

const Steer = {off: row => row.wanted !== null && row.share !== null && Math.abs(row.wanted - row.share) > 1};
const LOSS = 2;            // percent of the probes, above which a stretch is trouble; below it a WAN is a WAN
const Stretch = {sick: row => !row.joined || row.alive === false || (row.loss || 0) > LOSS};

const TABLES = {
  pool: {
    title: "Demand against capacity", none: "No pool is scaled.", order: Rows.byName, wide: true,
    mark: row => (row.answers !== null && Math.max(row.crowd || 0, row.measured || 0) > row.answers ? "short" : ""),
    columns: [
      {name: "Pool", of: row => row.pool, head: true},
      {name: "Expected now", of: row => load(row.crowd, row.unit), class: "n"},
      {name: "Measured", of: row => (row.measured === null ? "not measured" : load(row.measured, row.unit)), class: "n"},
      {name: "Most in an hour", of: row => load(row.soon, row.unit), class: "n"},
      {name: "Active servers answer", of: row => (row.answers === null ? "not seen" : load(row.answers, row.unit)), class: "n",
        bar: row => (row.answers ? Math.max(row.crowd || 0, row.measured || 0) / row.answers : 0)},
      {name: "Active / wanted", of: row => `${row.active ?? "?"} / ${row.wanted}`, class: "n"},
      {name: "Next match needs", of: row => row.needed ?? "–", class: "n"},
      {name: "Bounds", of: row => `${row.least} to ${row.most}`, class: "n"},
      {name: "Policy", of: row => row.policy},
    ],
  },
  unit: {
    title: "Capacity by pool and place", none: "No servers are wanted.", order: Rows.byName,
    mark: row => (row.active < row.wanted || row.misplaced ? "short" : ""),
    columns: [
      {name: "Pool and place", of: row => row.unit, head: true},
      {name: "Active / wanted", of: row => `${row.active} / ${row.wanted}`, class: "n", bar: row => (row.wanted ? row.active / row.wanted : row.active ? 1 : 0)},
      {name: "Not active", of: row => row.other || "", class: "n"},
      {name: "Misplaced", of: row => row.misplaced || "", class: "n"},
      {name: "Answers", of: row => (row.answers === null ? "" : number(row.answers)), class: "n"},
      {name: "Cloud", of: row => row.cloud},
    ],
  },
  host: {
    title: "Hypervisors", none: "No server is on any hypervisor that may be seen.", order: Rows.byName, mark: row => (row.misplaced || row.other ? "short" : ""),
    columns: [
      {name: "Hypervisor", of: row => row.hypervisor, head: true},
      {name: "Active", of: row => row.active, class: "n"}, {name: "Not active", of: row => row.other || "", class: "n"},
      {name: "Misplaced", of: row => row.misplaced || "", class: "n"},
      {name: "Answers", of: row => (row.answers === null ? "" : number(row.answers)), class: "n"},
      {name: "Pools", of: row => row.pools}, {name: "Cloud", of: row => row.cloud},
    ],
  },
  share: {
    title: "Weights and shares", none: "The event has no balancer with members.", order: Rows.byName,
    mark: row => (row.online !== null && row.online < row.members ? "short" : ""),
    columns: [
      {name: "Members", of: row => row.unit, head: true},
      {name: "Share", of: row => (row.share === null ? "none" : `${row.share.toFixed(1)} %`), class: "n", bar: row => (row.share || 0) / 100},
      {name: "Weight", of: row => row.weight, class: "n"},
      {name: "Online", of: row => (row.online === null ? `${row.members}, not checked` : `${row.online} / ${row.members}`), class: "n"},
      {name: "Balancer", of: row => row.balancer},
    ],
  },
  steer: {
    title: "Steering", none: "The event steers no clients.", order: Rows.byName,
    mark: row => (Steer.off(row) ? "short" : ""),
    columns: [
      {name: "Target", of: row => row.target, head: true},
      {name: "Wanted", of: row => percent(row.wanted), class: "n"},
      {name: "Real", of: row => percent(row.share), class: "n", bar: row => (row.share || 0) / 100},
      {name: "Sent to", of: row => row.to}, {name: "State", of: row => row.state + (row.detail ? `: ${row.detail}` : "")},
      {name: "Steering", of: row => `${row.unit}, by ${row.driver}`},
    ],
  },
  stretch: {
    title: "Stretched networks", none: "The event stretches no network.", order: Rows.byName,
    mark: row => (Stretch.sick(row) ? "short" : ""),
    columns: [
      {name: "End", of: row => `${row.unit} at ${row.cloud}`, head: true},
      {name: "State", of: row => (row.joined ? row.state : `${row.state}, not joined`)},
      {name: "Far end", of: row => (row.alive === null ? "not tried" : row.alive ? "✓ answers" : "✕ silent")},
      {name: "Round trip", of: row => (row.rtt === null ? "" : `${row.rtt.toFixed(1)} ms`), class: "n"},
      {name: "Loss", of: row => (row.loss === null ? "" : `${row.loss.toFixed(row.loss < 10 ? 1 : 0)} %`), class: "n"},
      {name: "Driver", of: row => row.driver}, {name: "Detail", of: row => row.detail},
    ],
  },
  move: {
    title: "Moves in flight", none: "Nothing is being moved.", order: Rows.newest, wide: true, mark: row => (row.error ? "short" : ""),
    columns: [
      {name: "What", of: row => row.server, head: true}, {name: "From", of: row => row.source}, {name: "To", of: row => row.target},
      {name: "Phase", of: row => row.phase}, {name: "State", of: row => row.state}, {name: "Since", of: row => time(row.started), class: "keep"}, {name: "Mover", of: row => row.mover},
      {name: "Trouble", of: row => row.error, class: "long"},
    ],
  },
  circuit: {
    title: "Clouds that did not answer", none: "Every service of every cloud answered of late.", order: Rows.byName, mark: row => (row.state === "closed" ? "" : "short"),
    columns: [
      {name: "Service", of: row => `${row.cloud} ${row.family}`, head: true},
      {name: "Circuit", of: row => ({open: "✕ left alone", "half-open": "▲ tried once", closed: "✓ asked"})[row.state] || row.state},
      {name: "Failures in a row", of: row => row.failures, class: "n"},
      {name: "Asked again in", of: row => (row.seconds ? `${number(row.seconds)} s` : ""), class: "n"},
    ],
  },
  drift: {
    title: "Drift", none: "The clouds are as the event wants them.", order: Rows.byName,
    columns: [{name: "Where", of: row => `${row.cloud} ${row.unit}`, head: true}, {name: "Kind", of: row => row.kind}, {name: "What", of: row => row.what, class: "long"}],
  },
  decision: {
    title: "Decisions", none: "Nothing was decided by a policy or a call.", order: Rows.newest, wide: true,
    mark: row => (row.state === "failed" ? "short" : ""),
    columns: [
      {name: "When", of: row => time(row.at), head: true, class: "keep"},
      {name: "Pool", of: row => row.pool},
      {name: "Servers", of: row => (row.wanted === row.current ? `${row.wanted}, held` : `${row.current} → ${row.wanted}`), class: "keep"},
      {name: "Load", of: row => (row.demand === null ? "" : number(row.demand)), class: "n"},
      {name: "State", of: row => row.state + (row.times > 1 ? ` ×${row.times}` : "")},
      {name: "Why", of: row => row.why, class: "long"},
      {name: "Rule", of: row => row.rule}, {name: "By", of: row => row.source},
    ],
  },
  server: {
    title: "Servers", none: "There are no servers.", order: Rows.byName, fold: true, wide: true,
    mark: row => (row.status !== "ACTIVE" || !row.placed ? "short" : ""),
    columns: [
      {name: "Server", of: row => row.name, head: true}, {name: "Status", of: row => row.status},
      {name: "Hypervisor", of: row => row.hypervisor + (row.placed ? "" : " (misplaced)")}, {name: "Unit", of: row => row.unit},
      {name: "Address", of: row => row.address}, {name: "Weight", of: row => row.weight ?? "", class: "n"},
      {name: "Member", of: row => row.member}, {name: "Cloud", of: row => row.cloud},
    ],
  },
};
