-- Records in Redis, for answer.lua.  A location says where Redis is, as
-- ngx_lua's sockets take it, in $redis_host and $redis_port; connections are
-- kept.

local redis = require "nginx.redis"
local store = {}

function store.lookup(key_hash, entity, id)
    local db = redis:new()
    local host, port = ngx.var.redis_host, ngx.var.redis_port
    local connected

    if port then
        connected = db:connect(host, port)
    else
        connected = db:connect(host)
    end

    if not connected then return nil, 503 end

    local workspace, failure = db:get("key:" .. key_hash)
    if failure then return nil, 503 end
    if workspace == ngx.null then return nil, 401 end

    local body, failure = db:get(workspace .. ":" .. entity .. ":" .. id)
    if failure then return nil, 503 end

    db:set_keepalive(60000, 64)
    if body == ngx.null then return nil, 404 end

    return body
end

return store
