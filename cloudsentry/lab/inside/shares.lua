-- wrk's script: counts answers by who gave them (X-Served-By, else the first line of the body), holds a rate (arguments: RATE, 0 = none), prints JSON.
local ffi = require "ffi"
ffi.cdef [[ typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int clock, moment *now); ]]

local threads = {}
function setup(thread)
   table.insert(threads, thread)
   thread:set("count", #threads)
end

local instant = ffi.new("moment")
local function now()
   ffi.C.clock_gettime(1, instant)
   return tonumber(instant.seconds) + tonumber(instant.nanoseconds) / 1e9
end

function init(arguments)
   answers, refused = {}, 0
   rate = tonumber(arguments[1]) or 0
   if rate > 0 then
      due = now()
      -- Only a script that has it is asked for a delay before each request.
      function delay()
         local moment = now()
         if due < moment - 0.1 then due = moment end
         local wait = math.max(0, due - moment)
         due = due + 1 / rate
         return math.floor(wait * 1000 + 0.5)
      end
   end
end

function response(status, headers, body)
   if status == 200 then
      local name = headers["X-Served-By"] or headers["x-served-by"] or body:sub(1, 80):match("^[^\n]*")
      answers[name] = (answers[name] or 0) + 1
   else
      refused = refused + 1
   end
end

local function quoted(text)
   return '"' .. text:gsub('[%c"\\\128-\255]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

function done(summary, latency, requests)
   local rows, refusals = {}, 0
   for _, thread in ipairs(threads) do
      refusals = refusals + thread:get("refused")
      for name, count in pairs(thread:get("answers")) do
         table.insert(rows, quoted(name) .. ": " .. count)
      end
   end
   local e = summary.errors
   io.write(string.format(
      '\nRESULT {"answers": {%s}, "errors": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f}\n', table.concat(rows, ", "),
      refusals + e.connect + e.read + e.write + e.timeout, summary.duration / 1e6,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
