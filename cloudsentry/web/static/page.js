// What the stream tells, on the page. Messages are only noted as they come; ten times a second at most what they changed is drawn.
"use strict";

const QUIET = 40;          // seconds without a message after which the line is taken for lost
const OLD = 30;            // seconds after which what was seen of the clouds is called old
const EVERY = 100;         // milliseconds between two drawings: nobody reads faster, and a phone's battery is small
const BEFORE = 4 * 3600, AFTER = 2 * 3600;   // seconds that the charts show

const find = (place, what) => place.querySelector(what);
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const classed = (element, name, kinds = ["good", "bad", "wait"]) => { for (const kind of kinds) element.classList.toggle(kind, kind === name); };

class EventView {
  constructor(name) {
    this.name = name; this.single = {}; this.clouds = new Map(); this.samples = new Map(); this.newSamples = true; this.lastState = "";
    this.element = find(document, "#event").content.cloneNode(true).firstElementChild;
    this.element.id = `event-${name}`;
    const title = find(this.element, "h2");
    title.textContent = name; title.id = `name-${name}`;
    this.element.setAttribute("aria-labelledby", title.id);
    this.tables = {};
    for (const [kind, form] of Object.entries(TABLES)) this.tables[kind] = new Rows(find(this.element, ".tables"), form);
    for (const table of Object.values(this.tables)) table.scroll.hidden = true;
    this.charts = {
      servers: new Chart(find(this.element, "[data-chart=servers]"), [
        {label: "active", color: "active", fill: true, stepped: true}, {label: "wanted", color: "wanted", dash: [6, 4], stepped: true}]),
      crowd: new Chart(find(this.element, "[data-chart=crowd]"), [
        {label: "expected", color: "wait", dash: [6, 4]}, {label: "measured", color: "bad"},
        {label: "active servers answer", color: "active", fill: true, stepped: true}]),
    };
  }

  set(kind, id, row) {
    if (this.tables[kind]) this.tables[kind].set(id, row);
    else if (kind === "sample") { if (row === null) this.samples.delete(id); else { this.samples.set(id, row); this.last = row; } this.newSamples = true; }
    else if (kind === "cloud") { row === null ? this.clouds.delete(id) : this.clouds.set(id, row); }
    else this.single[kind] = row;
    if (kind === "ahead") this.newSamples = true;
  }

  clear() {
    this.single = {}; this.clouds.clear(); this.samples.clear(); this.newSamples = true;
    for (const table of Object.values(this.tables)) table.clear();
  }

  figure(name, text, more, kind) {
    put(find(this.element, `[data-figure=${name}]`), text);
    const below = find(this.element, `[data-more=${name}]`);
    put(below, more); classed(below, kind);
  }

  draw() {
    const {event, state} = this.single;
    if (event) put(find(this.element, ".sub"), `${event.title ? `${event.title} · ` : ""}revision ${event.revision}`);
    for (const table of Object.values(this.tables)) table.draw();
    this.drawFigures();
    this.drawTroubles(state ? state.state : "");
    if (this.newSamples) this.drawCharts();
  }

  drawFigures() {
    const {crowd, capacity, measured} = this.last || {}, run = this.single.run;
    let active = 0, wanted = 0, odd = 0;
    for (const cloud of this.clouds.values()) wanted += cloud.wanted;
    for (const unit of this.tables.unit.rows.values()) { active += unit.active; odd += unit.misplaced; }
    const looked = this.single.looked, seen = looked && looked.at;
    const places = [...this.clouds.values()].map(cloud => {
      let there = 0;
      for (const unit of this.tables.unit.rows.values()) if (unit.cloud === cloud.cloud) there += unit.active;
      return `${cloud.cloud} ${there}/${cloud.wanted}`;
    });
    if (seen) this.figure("servers", `${active} of ${wanted}`, places.join(", ") + (odd ? `, ${odd} misplaced` : ""), active < wanted || odd ? "bad" : "good");
    else this.figure("servers", `? of ${wanted}`, "not seen yet", "wait");
    if (crowd === undefined || crowd === null) this.figure("crowd", "–", "no pool is scaled by a timetable", "");
    else {
      const most = Math.max(crowd, measured || 0), came = measured === null ? "" : `${number(measured)}/s measured, `;
      this.figure("crowd", `${number(crowd)}/s`, `${came}active servers answer ${number(capacity)}/s`, capacity < most ? "bad" : "good");
    }
    if (!run) this.figure("run", "–", "no run yet", "");
    else if (!run.outcome) this.figure("run", `${run.done} of ${run.steps}`, `${run.goal} ${run.id} at work since ${time(run.started)}${run.failed ? `, ${run.failed} failed` : ""}`, run.failed ? "bad" : "wait");
    else this.figure("run", run.outcome, `${run.goal} ${run.id} at ${time(run.started)}, took ${span(run.seconds)}`, run.outcome === "done" ? "good" : "bad");
    this.tick();
  }

  drawTroubles(state) {
    const told = [], {looked, run} = this.single, age = looked && looked.at ? Date.now() / 1000 - looked.at : 0;
    if (looked && looked.trouble) told.push(["Clouds cannot be seen", `${looked.trouble}. Shown is what was seen ${looked.at ? `at ${time(looked.at)}` : "never"}.`]);
    else if (age > OLD) told.push(["Old", `the clouds were last seen at ${time(looked.at)}.`]);
    if (run && (run.outcome === "failed" || run.failed)) told.push([`Run ${run.id}`, run.errors.join("; ") || "failed"]);
    for (const unit of this.tables.unit.rows.values()) {
      if (unit.misplaced) told.push(["Misplaced", `${unit.misplaced} of ${unit.unit} on ${unit.cloud}`]);
    }
    for (const stretch of this.tables.stretch.rows.values()) {
      if (stretch.alive === false) told.push(["Stretch", `${stretch.unit} at ${stretch.cloud}: its far end does not answer`]);
      else if (stretch.loss > LOSS) told.push(["Stretch", `${stretch.unit} at ${stretch.cloud} loses packets`]);
    }
    for (const circuit of this.tables.circuit.rows.values()) {
      if (circuit.state !== "closed") told.push(["Left alone", `${circuit.family} of ${circuit.cloud}, after ${circuit.failures} failures in a row`]);
    }
    for (const move of this.tables.move.rows.values()) if (move.error) told.push([`Move of ${move.server}`, move.error]);
    const list = find(this.element, ".troubles"), text = JSON.stringify(told);
    if (list.dataset.told !== text) {
      list.dataset.told = text;
      list.replaceChildren(...told.map(([label, what]) => {
        const line = document.createElement("li"), head = document.createElement("span");
        head.className = "label"; head.textContent = `${label}: `;
        line.append(head, what);
        return line;
      }));
      list.hidden = !told.length;
    }
    const words = {up: ["✓ as wanted", "good"], drifted: ["▲ not as wanted", "bad"], absent: ["○ nothing there", "wait"]};
    const [said, kind] = looked && looked.trouble ? ["✕ cannot be seen", "bad"] : words[state] || ["… not seen yet", "wait"];
    const place = find(this.element, ".state");
    put(place, said); classed(place, kind);
    const spoken = `${this.name}: ${said.slice(2)}${told.length ? `. ${told.map(one => one.join(": ")).join(". ")}` : ""}`;
    if (spoken !== this.lastState) { if (this.lastState) announce(spoken); this.lastState = spoken; }
  }

  drawCharts() {
    this.newSamples = false;
    const now = Date.now() / 1000;
    const samples = [...this.samples.values()].filter(one => one.at > now - BEFORE).sort((one, other) => one.at - other.at);
    if (!samples.length) return;
    const last = samples[samples.length - 1], at = samples.map(one => one.at);
    this.charts.servers.show([at, samples.map(one => one.active), samples.map(one => one.wanted)],
      `Servers over time: now ${last.active} active of ${last.wanted} wanted.`);
    const crowd = this.charts.crowd.figure, scaled = last.crowd !== null;
    crowd.hidden = !scaled;
    if (!scaled) return;
    const ahead = (this.single.ahead || []).filter(([when]) => when > last.at && when < now + AFTER);
    this.charts.crowd.show([
      [...at, ...ahead.map(one => one[0])],
      [...samples.map(one => one.crowd), ...ahead.map(one => one[1])],
      [...samples.map(one => one.measured), ...ahead.map(() => null)],
      [...samples.map(one => one.capacity), ...ahead.map(() => null)],
    ], `Requests per second: ${number(last.crowd)} expected now, the active servers answer ${number(last.capacity)}.`);
  }

  drawPhases(match, now) {
    const list = find(this.element, ".phases"), steps = match ? phases(match) : [];
    const at = steps.filter(([, from]) => from <= now).length - 1, drawn = `${at} ${JSON.stringify(steps)}`;
    if (list.dataset.drawn === drawn) return;
    list.dataset.drawn = drawn; list.hidden = !match;
    list.replaceChildren(...steps.map(([name, from], place) => {
      const step = document.createElement("li"), when = document.createElement("small");
      step.className = place < at ? "past" : "";
      if (place === at) step.setAttribute("aria-current", "step");
      when.textContent = from ? minute(from) : "";
      step.append(name, " ", when);
      return step;
    }));
  }

  // Every second: what changes by itself.
  tick() {
    const match = this.single.match, now = Date.now() / 1000;
    this.drawPhases(match, now);
    if (!match) { this.figure("match", "–", "no match to come", ""); return; }
    const on = now >= match.begins, pools = [...this.tables.pool.rows.values()];
    // Ready is what is there, and only where it was seen; what is merely wanted is on its way.
    const seen = pools.every(pool => pool.active !== null), active = pools.reduce((sum, pool) => sum + pool.active, 0);
    const ready = seen && pools.every(pool => pool.active >= pool.needed);
    const [said, until] = !on ? ["begins in", match.begins] : now < match.start ? ["starts in", match.start] : ["is on, for", match.ends];
    put(find(this.element, "[data-name=match]"), `${match.match} ${said}`);
    const needs = `${number(match.crowd)}/s needs ${match.needed} scaled servers, ${match.wanted} wanted, ${seen ? active : "?"} active`;
    this.figure("match", span(until - now), match.needed ? `${needs}: ${ready ? "ready" : "not yet"}` : `${number(match.crowd)}/s expected`, !match.needed || ready ? "good" : on ? "bad" : "wait");
  }
}

// The next match's course: [name, from when on]; the last one that has begun is the one of now.
function phases(match) {
  const steps = [["at rest", 0], ["making ready", match.ready_by], ["crowd comes", match.begins], ["match", match.start],
    ["finale", match.finale], ["crowd leaves", match.over], ["gone", match.ends]];
  return steps.filter(([, from]) => from !== null);
}

const views = new Map();
let drawing = false, drawn = 0, heard = 0, source = null, journal = "", pending = "", spoken = 0;

// Said to screen readers: the newest change of state, at most every five seconds.
function announce(text) { pending = text; }

function view(name) {
  if (!views.has(name)) {
    const made = new EventView(name), link = document.createElement("a"), item = document.createElement("li");
    views.set(name, made);
    link.href = `#${made.element.id}`; link.textContent = name; item.append(link);
    const after = [...views.keys()].sort().find(other => other > name && views.get(other).item);
    made.item = item;
    find(document, "#names").insertBefore(item, after ? views.get(after).item : null);
    find(document, "#events").insertBefore(made.element, after ? views.get(after).element : null);
  }
  return views.get(name);
}

function take(rows, all) {
  heard = Date.now();
  if (all) { journal = ""; for (const one of views.values()) one.clear(); }
  for (const [name, kind, id, row] of rows) {
    if (!name) journal = row ? row.text : "";
    else if (row !== null || views.has(name)) view(name).set(kind, id, row);
  }
  if (drawing) return;
  drawing = true;
  setTimeout(() => requestAnimationFrame(draw), Math.max(0, EVERY - (performance.now() - drawn)));
}

function draw() {
  drawing = false; drawn = performance.now();
  for (const [name, one] of views) {
    if (one.single.event) one.draw();
    else { one.element.remove(); one.item.remove(); views.delete(name); }
  }
  const empty = find(document, "#empty");
  empty.hidden = views.size > 0;
  put(empty, journal ? `The journal cannot be used: ${journal}` : "No event is kept. “cloudsentry event apply FILE” makes one.");
  find(document, "header nav").hidden = views.size < 2;
  line();
}

function line() {
  const place = find(document, "#line"), silent = (Date.now() - heard) / 1000;
  const lost = heard && (source.readyState !== EventSource.OPEN || silent > QUIET);
  place.className = lost || journal ? "lost" : heard ? "live" : "";
  find(document, "#events").classList.toggle("stale", Boolean(lost));
  put(find(document, "#line-text"), journal ? "journal cannot be used" : lost ? `no news since ${time(heard / 1000)}, connecting again` : heard ? "live" : "connecting");
}

function connect() {
  source = new EventSource("/v1/stream");
  source.addEventListener("all", message => take(JSON.parse(message.data), true));
  source.addEventListener("some", message => take(JSON.parse(message.data), false));
  source.addEventListener("alive", () => { heard = Date.now(); });
  // A browser gives up where it is refused; an operator's page does not.
  source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000); });
}

setInterval(() => {
  put(find(document, "#clock"), time(Date.now() / 1000));
  for (const one of views.values()) { one.tick(); one.drawTroubles(one.single.state ? one.single.state.state : ""); }
  if (pending && Date.now() - spoken > 5000) { put(find(document, "#announce"), pending); pending = ""; spoken = Date.now(); }
  line();
}, 1000);
connect();
