// A driver over a Redis, written from the specification alone (spec/17-driver.md): node driver.mjs redis://HOST:PORT/DB
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { inflateSync } from 'node:zlib'
import { createClient, ErrorReply, RESP_TYPES } from 'redis'

const claims = {
  spec: '0.1', implementation: { name: 'resultspec-driver-node', language: 'JavaScript' }, payload_limit: 2 ** 24,
  classes: ['core', 'waiting', 'atomic', 'kv-wire'], features: ['connection', 'notify', 'prefix', 'surrogates'],
}
const EXCEPTION = ['FAILURE', 'RETRY', 'REVOKED'], READY = ['FAILURE', 'REVOKED', 'SUCCESS']
const NOTHING = { result: null, traceback: null, children: null, date_done: null }
const TEXTS = ['status', 'traceback', 'date_done', 'group_id', 'parent_id']
const COMPRESSED = Buffer.from('\0celery-compressed\0application/x-gzip\0')
const SWAP = `if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', 86400) redis.call('PUBLISH', KEYS[1], ARGV[2]) return 1`
const fail = (kind, message) => { throw Object.assign(new Error(message), { kind }) }
const need = (holds, v) => holds ? v : fail('DecodeError', 'it holds no meta')
// Values: within this program JSON, BigInt, TaskError, and a Symbol for what json cannot carry.
class TaskError { constructor(type, module, args) { Object.assign(this, { type, module, args }) } }
const isMap = (v) => v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof TaskError)
const isWhole = (v) => typeof v === 'bigint' || Number.isInteger(v)
const mapped = (v, f) => Object.fromEntries(Object.entries(v).map(([name, member]) => [name, f(member)]))
const each = (v, f) => Array.isArray(v) ? v.map(f) : isMap(v) ? mapped(v, f) : v
const untag = (v) => {
  if (!isMap(v) || !Object.hasOwn(v, '$type')) return each(v, untag)
  if (v.$type === 'int') return BigInt(v.value)
  if (v.$type === 'float') return Number(v.value.replace('inf', 'Infinity'))
  if (v.$type === 'text') return v.value.map((point) => String.fromCodePoint(point)).join('')
  if (v.$type === 'exception') return new TaskError(v.type, v.module, v.args.map(untag))
  const pairs = v.$type === 'map' ? v.value.map((pair) => pair.map(untag)) : [[]]
  return pairs.every(([name]) => typeof name === 'string') ? Object.fromEntries(pairs) : Symbol(v.$type)
}
const tag = (v) => {
  if (typeof v === 'string') return v.isWellFormed() ? v : { $type: 'text', value: [...v].map((c) => c.codePointAt(0)) }
  if (isWhole(v)) return Number.isSafeInteger(Number(v)) ? Number(v) : { $type: 'int', value: String(BigInt(v)) }
  if (v instanceof TaskError) return { $type: 'exception', ...v, args: v.args.map(tag) }
  const plain = !isMap(v) || Object.keys(v).every((name) => name !== '$type' && name.isWellFormed())
  return plain ? each(v, tag) : { $type: 'map', value: Object.entries(v).map((pair) => pair.map(tag)) }
}

// Stored bytes. JSON rounds large integers both ways, so they are written as BigInt and wrapped while they are read.
const dump = (v) => {
  if (isWhole(v) && String(v).length <= 4300) return String(BigInt(v))
  if (v === null || ['string', 'boolean'].includes(typeof v) || Number.isFinite(v)) return JSON.stringify(v)
  if (Array.isArray(v)) return `[${v.map(dump)}]`
  if (isMap(v)) return `{${Object.entries(v).map(([name, member]) => `${JSON.stringify(name)}:${dump(member)}`)}}`
  return fail('EncodeError', `json cannot carry ${String(v)}`)
}
const argument = (v) => { try { return dump(v) && v } catch { return JSON.stringify(v) ?? String(v) } }
const WRAP = crypto.randomUUID(), TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const parse = (text) => JSON.parse(
  text.replace(TOKEN, (token) => /^-?[1-9]\d{15,}$/.test(token) ? `{"${WRAP}":"${token}"}` : token),
  (_, v) => isMap(v) && Object.hasOwn(v, WRAP) ? BigInt(v[WRAP]) : v)
const inflate = (bytes) => {
  const body = need(bytes.indexOf(COMPRESSED) === 0, bytes.subarray(COMPRESSED.length))
  const { buffer, engine } = inflateSync(body, { maxOutputLength: claims.payload_limit, info: true })
  return need(engine.bytesWritten === body.length, buffer)
}
const pair = (v) => need(Array.isArray(v) && v.length === 2, v)
const tuples = (v) => v === null ? null : need(Array.isArray(v), v).map(tuple)
const tuple = (v) => {
  const [head, members] = pair(v), [id, parent] = typeof head === 'string' ? [head, null] : pair(head)
  return [[need(typeof id === 'string' && id !== '', id), parent === null ? null : tuple(parent)], tuples(members)]
}
const instant = (v) => {
  const [, time, offset = '+00:00'] = /^(\d{4}-\d\d-\d\dT[\d:.]+)(Z|[+-]\d\d:\d\d)?$/.exec(v) ?? []
  return v === null ? null : need(!Number.isNaN(Date.parse(time + offset)), time + offset)
}
const textOf = (v) => typeof v === 'string' ? v : null
const exception = (v) => !isMap(v) || !textOf(v.exc_type) ? new TaskError('Exception', 'builtins', [v])
  : new TaskError(v.exc_type, textOf(v.exc_module), v.exc_message === undefined ? [] : [v.exc_message].flat())
const decode = (bytes) => {
  const plain = bytes[0] === 0 ? inflate(bytes) : bytes
  const meta = { ...NOTHING, ...parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plain)) }
  need(meta.status && TEXTS.every((name) => typeof (meta[name] ?? '') === 'string'))
  const failed = EXCEPTION.includes(meta.status) && (meta.status !== 'RETRY' || meta.result !== null)
  const result = failed ? exception(meta.result) : meta.result
  return { ...meta, result, children: tuples(meta.children), date_done: instant(meta.date_done) }
}
const succeeded = (bytes) => { try { return decode(bytes).status === 'SUCCESS' } catch { return false } }

// The backend. Only what changes nothing is repeated when a connection is lost: a write may have taken effect.
const store = process.argv[2] ?? 'redis://127.0.0.1:6379/0'
const reconnectStrategy = (tries, cause) => tries < 25 ? Math.min(10 * tries, 200) : cause
const client = createClient({ url: store, disableOfflineQueue: true, socket: { reconnectStrategy } })
const redis = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }), channels = client.duplicate()
for (const connection of [client, channels]) connection.on('error', (error) => console.error(error.message))
const insist = (act, tries = 40) => act().catch((error) => error instanceof ErrorReply || tries === 0
  ? Promise.reject(error) : sleep(25).then(() => insist(act, tries - 1)))
const text = (v, name) => typeof v === 'string' && v !== '' && v.isWellFormed() ? v : fail('ValueError', `no ${name}`)
const number = (v) => ['number', 'bigint'].includes(typeof v) && v === v ? Number(v) : fail('ValueError', 'no number')
const keyOf = (id) => `${claims.prefix}celery-task-meta-${text(id, 'task id')}`
const read = async ({ task_id }, tries) => {
  const key = keyOf(task_id), bytes = await insist(() => redis.get(key), tries)
  try { return { status: 'PENDING', ...NOTHING, ...(bytes && decode(bytes)), task_id } } catch (error) {
    return fail('DecodeError', `the entry of task ${task_id} cannot be decoded: ${error.message}`)
  }
}
const member = (name) => async (params) => tag((await read(params))[name])
const operations = {
  initialize: async ({ run, options: { serializer = 'json', accept = ['json'], prefix: own = '' } }) => {
    const json = serializer === 'json' && accept.some((type) => type.endsWith('json'))
    if (!json) fail('ImproperlyConfigured', 'this driver reads and writes json alone')
    claims.prefix = `resultspec-${run}-${own}`.replace(/[^:_.-]$/, '$&_')
    await Promise.all([client.connect(), channels.connect()])
    return { protocol: '1', overlap: true, capabilities: { ...claims, store } }
  },
  store_result: async ({ task_id, result, state, traceback = null, request }) => {
    const key = keyOf(task_id), failed = EXCEPTION.includes(text(state, 'state')) && result instanceof TaskError
    if (traceback !== null && typeof traceback !== 'string') fail('TypeError', 'a traceback is a text or null')
    const { children = null, group, parent_id } = request ?? {}
    const map = failed && { exc_type: result.type, exc_message: result.args.map(argument), exc_module: result.module }
    const date_done = READY.includes(state) ? new Date().toISOString() : null
    const meta = { status: state, result: map || result, traceback, children, date_done, task_id }
    const payload = dump({ ...meta, group_id: group || null, parent_id: parent_id || null })
    const decide = async (old) => succeeded(old) || redis.eval(SWAP, { keys: [key], arguments: [old ?? '', payload] })
    while (!await decide(await insist(() => redis.get(key))));
  },
  get_task_meta: async (params) => mapped(await read(params), tag),
  get_state: member('status'), get_result: member('result'),
  get_traceback: member('traceback'), get_children: member('children'),
  reload_task_result: async (params) => { await read(params) },
  forget: async ({ task_id }) => { await redis.del(keyOf(task_id)) },
  is_cached: async ({ task_id }) => keyOf(task_id) === '',
  as_uri: async () => store.replace(/(:\/\/[^/@]*:)[^/@]*@/, '$1**@'), shutdown: async () => null,
  wait_for: async ({ task_id, timeout, interval }) => {
    const key = keyOf(task_id), deadline = performance.now() + 1000 * number(timeout ?? Infinity)
    if (number(interval ?? 0) < 0) fail('ValueError', 'the interval is negative')
    let wake, subscribed = false
    const rouse = () => wake()
    const look = async () => { subscribed ||= !await channels.subscribe(key, rouse); return read({ task_id }, 0) }
    try {
      for (;;) {
        const late = performance.now() >= deadline, roused = new Promise((resolve) => { wake = resolve })
        const { status, result } = await look().catch((error) => error.kind ? Promise.reject(error) : NOTHING) // cut
        if (READY.includes(status)) return { [status === 'SUCCESS' ? 'returned' : 'raised']: tag(result) }
        if (late) fail('TimeoutError', `task ${task_id} was not ready in time`)
        await Promise.race([roused, sleep(Math.max(0, Math.min(250, deadline - performance.now())))])
      }
    } finally { await insist(() => channels.unsubscribe(key, rouse)) }
  },
}
createInterface({ input: process.stdin }).on('close', () => process.exit(0)).on('line', async (line) => {
  const { id, method, params } = JSON.parse(line), end = () => method === 'shutdown' && process.exit(0)
  const perform = operations[method] ?? (async () => fail('NotImplementedError', `no operation is called ${method}`))
  const answer = await perform(mapped(params, untag)).then((result = null) => ({ result }), ({ message, kind }) =>
    ({ error: { code: -32000, message, data: { kind: kind ?? 'OperationalError' } } }))
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`, end)
})
