-- Requests to a tracking server for wrk: WORK FIRST RUNS-FILE. RUNS-FILE has a run id a line, which the requests
-- take in turns; FIRST is the first timestamp, so that no point is ever sent twice.
local api = "/api/2.0/mlflow/"
local json = { ["Content-Type"] = "application/json" }
local runs, stamp, sent = {}, 0, 0
local thousands, experiment = {}, "0"

local function post(path, body)
  return wrk.format("POST", api .. path, json, body)
end

local function next_run()
  sent = sent + 1
  return runs[(sent - 1) % #runs + 1]
end

local function next_stamp()
  stamp = stamp + 1
  return string.format("%.0f", stamp)
end

-- A thousand points, ten metrics of a hundred steps, as the end of a log-batch body.
local function thousand_points(at)
  local points = {}
  for i = 0, 999 do
    points[#points + 1] = string.format('{"key":"m%d","value":%.17g,"timestamp":%.0f,"step":%d}', i % 10,
      math.sin(i + at % 1000), at, math.floor(i / 10))
  end
  return '","metrics":[' .. table.concat(points, ",") .. "]}"
end

local works = {}

function works.log_metric()
  local at = next_stamp()
  return post("runs/log-metric", '{"run_id":"' .. next_run() .. '","key":"loss","value":0.' .. at ..
    ',"timestamp":' .. at .. ',"step":' .. sent .. "}")
end

function works.log_batch_1()
  local at = next_stamp()
  return post("runs/log-batch", '{"run_id":"' .. next_run() .. '","metrics":[{"key":"loss","value":0.' .. at ..
    ',"timestamp":' .. at .. ',"step":' .. sent .. "}]}")
end

function works.set_tag()
  return post("runs/set-tag", '{"run_id":"' .. next_run() .. '","key":"note","value":"' .. next_stamp() .. '"}')
end

-- Each run meets each of the batches once before anything comes again.
function works.log_batch_1000()
  local run = next_run()
  return post("runs/log-batch", '{"run_id":"' .. run .. thousands[math.floor((sent - 1) / #runs) % #thousands + 1])
end

function works.create_run()
  return post("runs/create", '{"experiment_id":"0","run_name":"bench","start_time":' .. next_stamp() .. "}")
end

function works.get_run()
  return wrk.format("GET", api .. "runs/get?run_id=" .. next_run())
end

function works.constant()
  return wrk.format("GET", "/health")
end

function works.search()
  return post("runs/search", '{"experiment_ids":["' .. experiment .. '"],"filter":"metrics.acc > 0.5",' ..
    '"order_by":["metrics.loss DESC"],"max_results":100}')
end

function init(arguments)
  stamp = tonumber(arguments[2])
  for line in io.lines(arguments[3]) do
    runs[#runs + 1] = line
  end
  experiment = arguments[4]
  if arguments[1] == "log_batch_1000" then
    for i = 1, 64 do
      thousands[i] = thousand_points(stamp + i)
    end
  end
  request = works[arguments[1]]
end
