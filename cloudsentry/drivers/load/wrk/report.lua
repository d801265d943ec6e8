-- wrk's script: one thread per target (a line before this one sets `targets`), and one line of JSON at the end.
local started = 0
function setup(thread)
   started = started + 1
   local target = targets[(started - 1) % #targets + 1]
   thread.addr = wrk.lookup(target[1], target[2])[1]
end

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '\nRESULT {"requests": %d, "bytes": %.0f, "seconds": %f, "refused": %d, "broken": %d, "p50_ms": %f, "p99_ms": %f}\n',
      summary.requests, summary.bytes, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
