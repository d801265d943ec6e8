// Tables whose rows have keys: a change touches the cells whose text is another one, and nothing else.
"use strict";

class Rows {
  // columns: [{name, of: row => text, class, head: true for the row's own heading, bar: row => 0..1}]
  constructor(block, {title, columns, none, order, mark, fold, wide}) {
    this.columns = columns; this.order = order; this.mark = mark || (() => "");
    this.rows = new Map(); this.shown = new Map(); this.keys = []; this.dirty = new Set();
    this.title = title; this.none = none;
    this.element = document.createElement(fold ? "details" : "section");
    this.element.className = wide ? "block wide" : "block";
    this.head = document.createElement(fold ? "summary" : "h3");
    this.head.id = `t${Rows.count++}`;
    this.head.textContent = title;
    this.element.setAttribute("aria-labelledby", this.head.id);
    this.scroll = document.createElement("div");
    this.scroll.className = fold ? "scroll tall" : "scroll";
    this.scroll.tabIndex = 0; this.scroll.setAttribute("role", "region"); this.scroll.setAttribute("aria-labelledby", this.head.id);
    this.table = document.createElement("table");
    this.table.setAttribute("aria-labelledby", this.head.id);
    const line = this.table.createTHead().insertRow();
    // Long tables are laid out row by row (see the styles), and roles told: a display of another kind must not hide them.
    this.fold = Boolean(fold);
    if (fold) { this.table.setAttribute("role", "table"); line.setAttribute("role", "row"); line.style.setProperty("--columns", columns.length); }
    for (const column of columns) {
      const cell = document.createElement("th");
      if (fold) cell.setAttribute("role", "columnheader");
      cell.scope = "col"; cell.textContent = column.name; cell.className = column.class || "";
      line.append(cell);
    }
    this.body = this.table.createTBody();
    this.empty = document.createElement("p");
    this.empty.className = "none"; this.empty.textContent = none;
    this.scroll.append(this.table);
    this.element.append(this.head, this.empty, this.scroll);
    block.append(this.element);
    if (fold) this.element.addEventListener("toggle", () => this.draw());
  }

  set(id, row) {
    if (row === null) this.rows.delete(id); else this.rows.set(id, row);
    this.dirty.add(id);
  }

  clear() { for (const id of this.rows.keys()) this.dirty.add(id); this.rows.clear(); }

  // In an animation frame only. A folded table is drawn when it is opened.
  draw() {
    if (!this.dirty.size) return;
    this.empty.hidden = this.rows.size > 0; this.scroll.hidden = this.rows.size === 0;
    if (this.element.tagName === "DETAILS") {
      this.head.textContent = `${this.title} (${this.rows.size})`;
      if (!this.element.open) return;
    }
    for (const id of this.dirty) {
      const row = this.rows.get(id), line = this.shown.get(id);
      if (row === undefined) { if (line) this.remove(id, line); } else this.fill(line || this.insert(id), row);
    }
    this.dirty.clear();
  }

  remove(id, line) { line.remove(); this.shown.delete(id); this.keys.splice(this.keys.indexOf(id), 1); }

  insert(id) {
    let low = 0, high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.order(this.keys[middle], id) < 0) low = middle + 1; else high = middle;
    }
    const line = this.body.insertRow(low);
    this.keys.splice(low, 0, id); this.shown.set(id, line);
    if (this.fold) { line.setAttribute("role", "row"); line.style.setProperty("--columns", this.columns.length); }
    for (const column of this.columns) {
      const cell = document.createElement(column.head ? "th" : "td");
      if (column.head) cell.scope = "row";
      if (this.fold) cell.setAttribute("role", column.head ? "rowheader" : "cell");
      cell.className = column.class || "";
      cell.append(document.createTextNode(""));
      if (column.bar) {
        const bar = document.createElement("span");
        bar.className = "bar"; bar.setAttribute("aria-hidden", "true"); bar.append(document.createElement("span"));
        cell.append(bar);
      }
      line.append(cell);
    }
    return line;
  }

  fill(line, row) {
    const mark = this.mark(row);
    if (line.className !== mark) line.className = mark;
    this.columns.forEach((column, place) => {
      const cell = line.cells[place], text = String(column.of(row) ?? "");
      if (cell.firstChild.data !== text) cell.firstChild.data = text;
      if (column.bar) {
        const width = `${Math.round(100 * Math.max(0, Math.min(1, column.bar(row))))}%`;
        const bar = cell.lastChild.firstChild;
        if (bar.style.width !== width) bar.style.width = width;
      }
    });
  }
}
Rows.count = 0;
Rows.byName = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
Rows.newest = (one, other) => Number(other) - Number(one);
