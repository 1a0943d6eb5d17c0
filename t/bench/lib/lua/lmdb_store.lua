-- Records in LMDB through LuaJIT's FFI, for answer.lua: one environment and one
-- read transaction for each worker, renewed for a request, so that nothing of
-- it is cheaper in Lua.  init_worker_by_lua has to call open().

local ffi = require "ffi"
local store = {}

ffi.cdef [[
typedef struct MDB_env MDB_env;
typedef struct MDB_txn MDB_txn;
typedef unsigned int MDB_dbi;
typedef struct { size_t mv_size; const void *mv_data; } MDB_val;

int mdb_env_create(MDB_env **env);
int mdb_env_open(MDB_env *env, const char *path, unsigned int flags,
                 unsigned int mode);
int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned int flags,
                  MDB_txn **txn);
int mdb_txn_renew(MDB_txn *txn);
void mdb_txn_reset(MDB_txn *txn);
int mdb_dbi_open(MDB_txn *txn, const char *name, unsigned int flags,
                 MDB_dbi *dbi);
int mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data);
]]

local NOTFOUND, RDONLY, NOTLS = -30798, 0x20000, 0x200000

local lmdb = ffi.load("liblmdb.so.0")
local key, value = ffi.new("MDB_val"), ffi.new("MDB_val")
local txn, dbi

local function check(rc, what)
    if rc ~= 0 then error(what .. ": " .. rc) end
end

function store.open(path)
    local env, transaction = ffi.new("MDB_env *[1]"), ffi.new("MDB_txn *[1]")
    local handle = ffi.new("MDB_dbi[1]")

    check(lmdb.mdb_env_create(env), "mdb_env_create")
    check(lmdb.mdb_env_open(env[0], path, RDONLY + NOTLS, 0), "mdb_env_open")
    check(lmdb.mdb_txn_begin(env[0], nil, RDONLY, transaction),
          "mdb_txn_begin")
    check(lmdb.mdb_dbi_open(transaction[0], nil, 0, handle), "mdb_dbi_open")

    txn, dbi = transaction[0], handle[0]
    lmdb.mdb_txn_reset(txn)
end

local function get(name)
    key.mv_size, key.mv_data = #name, name

    local rc = lmdb.mdb_get(txn, dbi, key, value)

    if rc == NOTFOUND then return nil end
    check(rc, "mdb_get")

    return ffi.string(value.mv_data, value.mv_size)
end

function store.lookup(key_hash, entity, id)
    check(lmdb.mdb_txn_renew(txn), "mdb_txn_renew")

    local workspace = get("key:" .. key_hash)
    local body = workspace and get(workspace .. ":" .. entity .. ":" .. id)

    lmdb.mdb_txn_reset(txn)

    if not workspace then return nil, 401 end
    if not body then return nil, 404 end

    return body
end

return store
