() => {
  const server = (n, status) => ["summer", "server", `big ${n}`, {id: `${n}`, name: `server-${n}`, cloud: "c", status,
    unit: "front@xeon1", hypervisor: "xeon1", placed: true, address: "10.0.0.1", weight: 1, member: ""}];
  const rows = [];
  for (let n = 0; n < 500; n++) rows.push(server(n, "BUILD"));
  take(rows, false);
  // Ten seconds with so many messages a second, each with five servers that changed.
  window.measure = rate => new Promise(resolve => {
    const gaps = [], tasks = [], waits = []; let last = performance.now(), on = true, sent = 0;
    const watch = new PerformanceObserver(list => tasks.push(...list.getEntries().map(one => one.duration)));
    watch.observe({entryTypes: ["longtask"]});
    const frame = now => { gaps.push(now - last); last = now; if (on) requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    const timer = rate && setInterval(() => {
      const at = performance.now();
      take([0, 1, 2, 3, 4].map(n => server((sent * 5 + n) % 500, `S${sent}`)), false);
      waits.push(performance.now() - at); sent++;
    }, 1000 / rate);
    setTimeout(() => {
      clearInterval(timer); on = false; watch.disconnect();
      const at = (list, share) => list.length ? Math.round(10 * list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))]) / 10 : 0;
      resolve({messages: sent, frames: gaps.length, frame_median_ms: at(gaps, 0.5), frame_p95_ms: at(gaps, 0.95),
        long_tasks: tasks.length, longest_task_ms: Math.round(Math.max(0, ...tasks)), take_p95_ms: at(waits, 0.95)});
    }, 10000);
  });
}
