-- The load of scripts/bench, for wrk: completed record operations, each body another one. The bearer token is in
-- BENCH_TOKEN; BENCH_RUN keeps the bodies of one run apart from those of the others.
local n_threads = 0
local before, between_1, between_2, after

function setup(thread)
  thread:set("number", n_threads)
  n_threads = n_threads + 1
end

function init()
  local run = string.format("%08x", tonumber(os.getenv("BENCH_RUN")) * 16 + number)
  local call, operation = run .. "c0de4000a000", run .. "09a74000a000"
  local body_1 = '{"@odata.type":"#microsoft.graph.commsNotifications","value":[{"@odata.type":"#microsoft.graph.commsNotification",'
    .. '"changeType":"deleted","resourceUrl":"/communications/calls/' .. call
  local body_2 = '/operations/' .. operation
  local body_3 = '","resourceData":{"@odata.type":"#microsoft.graph.recordOperation","@odata.etag":"W/\\"54451\\"","id":"' .. operation
  local body_4 = '","clientContext":"load-' .. run .. '-'
  local body_5 = '","status":"completed","completionReason":"stopToneDetected","resultInfo":{"code":200,"subcode":8514,"message":'
    .. '"Action completed, stop tone detected."},"recordingLocation":"https://recordings.example.test/v1/objects/0-eus-d4-'
    .. string.rep("0123456789abcdef", 4) .. '/content/video","recordingAccessToken":"' .. string.rep("eyJ0eXAiOiJKV1QifQ", 12) .. '"}}]}'
  local length = #body_1 + #body_2 + #body_3 + #body_4 + #body_5 + 4 * 12
  before = "POST /graph/calls HTTP/1.1\r\nHost: hook.example\r\nContent-Type: application/json\r\nAuthorization: Bearer "
    .. os.getenv("BENCH_TOKEN") .. "\r\nContent-Length: " .. length .. "\r\n\r\n" .. body_1
  between_1, between_2, between_3, after = body_2, body_3, body_4, body_5
  count = 0
end

function request()
  count = count + 1
  local digits = string.format("%012d", count)
  return before .. digits .. between_1 .. digits .. between_2 .. digits .. between_3 .. digits .. after
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"n": %d, "seconds": %f, "errors": %d, "p50_ms": %f, "p99_ms": %f, "p999_ms": %f, "max_ms": %f}\n',
    summary.requests, summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3, latency.max / 1e3))
end
