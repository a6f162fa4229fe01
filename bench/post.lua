-- The JSON load for wrk: POSTs of 1 KB like a chat client's; prints its count as JSON at the end.
local prompt = string.rep("0123456789abcdef", 59)
wrk.method = "POST"
wrk.body = '{"model":"bench","temperature":0.7,"stream":false,"messages":[{"role":"user","content":"' .. prompt .. '"}]}'
wrk.headers["Authorization"] = "Bearer sk-bench"
wrk.headers["Accept"] = "application/json"
wrk.headers["Content-Type"] = "application/json"

function init(args)
  if args[1] then -- milliseconds that each connection waits before a request, on average: they shall not move in step
    local pause_ms = tonumber(args[1])
    delay = function() return math.random(0, 2 * pause_ms) end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answered": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
