-- Posts one body, read from the file named in BODY, over and over.
local file = assert(io.open(assert(os.getenv("BODY")), "rb"))
wrk.body = file:read("*a")
file:close()
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
