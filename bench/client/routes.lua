-- wrk: requests go round all of the routes. ROUTES is their number.
local requests = {}
local next = 0
function init()
  for i = 0, tonumber(os.getenv('ROUTES')) - 1 do
    requests[i] = wrk.format('GET', string.format('/route-%04d/small', i))
  end
end
function request()
  next = (next + 7) % (#requests + 1)
  return requests[next]
end
