-- What a location's answer is, for t/bench/peers: reads the request, hashes the
-- key, and asks a store whose it is and for the record.  The store is a module
-- with a function lookup(key_hash, entity, id), which returns nil and a status,
-- or a record's body.

local sha256 = require "nginx.sha256"
local to_hex = require("nginx.string").to_hex
local match = string.match

local function fail(status)
    ngx.status = status
    ngx.print('{"status":' .. status .. '}')
end

return function(store)
    local key = match(ngx.var.http_authorization or "", "^Bearer (.+)$")
    local entity = match(ngx.var.uri, "^/api/entities/(%d+)/record$")
    local id = ngx.var.arg_record_id

    if not key then return fail(401) end
    if not entity or not id then return fail(400) end

    local hash = sha256:new()
    hash:update(key)

    local body, status = store.lookup(to_hex(hash:final()), entity, id)
    if not body then return fail(status) end

    ngx.header.content_length = #body
    ngx.print(body)
end
