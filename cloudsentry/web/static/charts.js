// Lines over time, by uPlot. A chart is a picture beside tables that say the same: it has one sentence for who cannot see it.
"use strict";

class Chart {
  // series: [{label, color: name of a style variable, dash, fill, stepped}]
  constructor(figure, series) {
    this.figure = figure; this.place = figure.querySelector(".plot"); this.series = series; this.data = null; this.plot = null;
    for (const one of series) {
      const key = document.createElement("span");
      key.className = `key ${one.color}`; key.textContent = one.label;
      figure.querySelector("figcaption").append(" ", key);
    }
    new ResizeObserver(() => this.fit()).observe(this.place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.rebuild());
  }

  size() { return {width: Math.max(100, this.place.clientWidth), height: Math.max(80, this.place.clientHeight)}; }

  fit() { if (this.plot) this.plot.setSize(this.size()); }

  show(data, sentence) {
    this.data = data;
    if (this.place.getAttribute("aria-label") !== sentence) this.place.setAttribute("aria-label", sentence);
    if (this.plot) this.plot.setData(data); else this.rebuild();
  }

  rebuild() {
    if (!this.data) return;
    if (this.plot) this.plot.destroy();
    const style = getComputedStyle(document.documentElement), color = name => style.getPropertyValue(`--${name}`).trim();
    const axis = {stroke: color("soft"), grid: {stroke: color("line"), width: 1}, ticks: {stroke: color("line"), width: 1}};
    this.plot = new uPlot({
      ...this.size(),
      cursor: {drag: {x: false, y: false}},
      legend: {show: false},
      scales: {y: {range: (_, low, high) => [0, Math.max(1, high * 1.15)]}},
      axes: [{...axis, space: 70, values: (_, places) => Chart.times(places)}, {...axis, size: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7]}],
      series: [{}, ...this.series.map(one => ({
        label: one.label, stroke: color(one.color), width: 2, dash: one.dash, points: {show: false},
        fill: one.fill ? `${color(one.color)}33` : undefined,
        paths: one.stepped ? uPlot.paths.stepped({align: 1}) : undefined,
      }))],
      hooks: {draw: [plot => this.now(plot, color("soft"))]},
    }, this.data, this.place);
  }

  // By the clock on the viewer's wall; seconds where minutes would repeat themselves.
  static times(places) {
    const near = places.length > 1 && places[1] - places[0] < 60;
    const form = {hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(near ? {second: "2-digit"} : {})};
    return places.map(place => new Date(place * 1000).toLocaleTimeString([], form));
  }

  // A line where now is, if there is a future on the picture.
  now(plot, color) {
    const at = Date.now() / 1000, x = plot.valToPos(at, "x", true), {left, top, width, height} = plot.bbox;
    if (x < left || x > left + width - 2) return;
    plot.ctx.save();
    plot.ctx.strokeStyle = color; plot.ctx.setLineDash([3, 3]);
    plot.ctx.beginPath(); plot.ctx.moveTo(x, top); plot.ctx.lineTo(x, top + height); plot.ctx.stroke();
    plot.ctx.restore();
  }
}
