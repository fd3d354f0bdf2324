-- What wrk sends, and what it does with the answers. The first argument names a file with the `requests` as texts, and
-- how they are used: again and again in turn, `once`, or with `next`, which makes a request from each answer.
-- For one thread only: its connections share these variables.
local ffi = require("ffi")
ffi.cdef [[ typedef struct { long seconds; long nanoseconds; } time; int clock_gettime(int clock, time *now); ]]
local MONOTONIC, NEVER = 1, 1e9

local work, file, total, position, answered, looked_at, threads = nil, "", 0, 0, 0, false, {}
bad, sample, began, ended = 0, "", 0, 0

setup = function(thread)
   table.insert(threads, thread)
end

init = function(args)
   file = args[1]
   work = dofile(file)
   total = #work.requests
   if work.once then
      -- A connection without a request waits until the others have their answers.
      delay = function()
         return position < total and 0 or NEVER
      end
   end
end

local function clock()
   local now = ffi.new("time")
   ffi.C.clock_gettime(MONOTONIC, now)
   return tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
end

request = function()
   if not looked_at then
      -- wrk asks for one request before the first, to check it, and does not send it.
      looked_at = true
      return work.requests[1]
   end
   position = position + 1
   began = position == 1 and clock() or began
   if not (work.once or work.next) then
      return work.requests[(position - 1) % #work.requests + 1]
   end
   if work.once and position > total then
      -- Two connections that were ready at once both asked for the last one. This one sends nothing, and waits.
      return nil
   end
   local text = work.requests[position]
   work.requests[position] = false
   return text
end

-- Makes the next request from an answer, which contains the next refresh token: each token works once.
local function following(headers, body)
   local place = work.next.cookie and (headers["Set-Cookie"] or headers["set-cookie"] or "") or body
   local found = place:match(work.next.pattern)
   if not found then
      return nil
   end
   local sent = work.next.body:gsub("TOKEN", found)
   return work.next.head:gsub("TOKEN", found) .. "Content-Length: " .. #sent .. "\r\n\r\n" .. sent
end

local function fail(why)
   bad = bad + 1
   sample = sample == "" and why or sample
end

response = function(status, headers, body)
   answered = answered + 1
   if status < 200 or status > 299 then
      fail(status .. " " .. body:sub(1, 300))
   end
   if work.next then
      local text = following(headers, body)
      if not text then
         fail("an answer without the next token: " .. body:sub(1, 300))
      end
      -- A connection must send something. The failure ends the run afterwards.
      table.insert(work.requests, text or work.next.head .. "Content-Length: 0\r\n\r\n")
   end
   if work.once and answered == total then
      -- wrk goes on until its time is over, unless load.py sees this file and interrupts it.
      ended = clock()
      io.open(file .. ".done", "w"):close()
   end
end

done = function(summary, latency)
   local errors = summary.errors
   local failed = errors.connect + errors.write + errors.timeout
   local own = threads[1]:get("ended") - threads[1]:get("began")
   print(string.format(
      '\n{"requests": %d, "seconds": %f, "p50": %f, "p95": %f, "p99": %f, "failed": %d, "closed": %d, "bad": %d}',
      summary.requests, own > 0 and own or summary.duration / 1e6, latency:percentile(50) / 1e3,
      latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, failed, errors.read, threads[1]:get("bad")))
   print(threads[1]:get("sample"))
end
