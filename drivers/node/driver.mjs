/**
 * A driver for a result backend over Redis, written from the specification alone.
 *
 *     npm ci
 *     resultspec check "exec:node driver.mjs redis://HOST:PORT/DB"
 *
 * This file speaks the driver protocol (spec/17-driver.md): JSON-RPC 2.0, one message to a line. Read it from its end,
 * where a line comes in, and then the files that it imports:
 *
 *     backend.mjs  the result backend: storing, reading, waiting
 *     meta.mjs     the meta of a task, and its stored bytes
 *     store.mjs    keys and channels of a Redis
 *     json.mjs     the serializer: JSON that does not round integers
 *     values.mjs   values in requests and answers: the tagged encoding
 *     errors.mjs   errors with a kind
 */
import { createInterface } from 'node:readline'

import { ResultBackend } from './backend.mjs'
import { BackendError } from './errors.mjs'
import { PAYLOAD_LIMIT } from './meta.mjs'
import { RedisStore } from './store.mjs'
import { fromTagged, mapMembers, toTagged } from './values.mjs'

const PROTOCOL = '1'
const ERROR_CODE = -32000

const URL = process.argv[2] ?? 'redis://127.0.0.1:6379/0'

/** The one client of this process; `initialize` makes another. */
let store = new RedisStore(URL)
let backend = new ResultBackend(store)

/**
 * The operations, each from its decoded parameters to its encoded result; spec/resultspec/operations.json has the
 * schemas. One that is missing is answered with NotImplementedError.
 * @type {Record<string, (params: any) => unknown>}
 */
const operations = {
  initialize,
  close: () => store.close(),
  shutdown: () => store.close(),
  store_result: (params) => backend.storeResult(params),
  // the meta itself is the form of the answer, its members are values
  get_task_meta: async ({ task_id }) => mapMembers(await backend.getTaskMeta(task_id), toTagged),
  get_state: async ({ task_id }) => toTagged((await backend.getTaskMeta(task_id)).status),
  get_result: async ({ task_id }) => toTagged((await backend.getTaskMeta(task_id)).result),
  get_traceback: async ({ task_id }) => toTagged((await backend.getTaskMeta(task_id)).traceback),
  get_children: async ({ task_id }) => toTagged((await backend.getTaskMeta(task_id)).children),
  forget: ({ task_id }) => backend.forget(task_id),
  wait_for: waitFor,
  is_cached: ({ task_id }) => backend.isCached(task_id),
  reload_task_result: async ({ task_id }) => {
    // without a cache there is nothing to fill, but the read can fail
    await backend.getTaskMeta(task_id)
  },
  as_uri: () => store.uri,
}

/**
 * Open the client of this process: the first one, or another one after `close`.
 * @param {{ run: string, options: { serializer?: string, accept?: string[], prefix?: string } }} params
 */
async function initialize({ run, options }) {
  const { serializer = 'json', accept = ['json'], prefix = '' } = options
  // Content types and names of serializers are both given: `application/json` and `json`.
  if (serializer !== 'json' || !accept.some((type) => type.endsWith('json'))) {
    throw new BackendError('ImproperlyConfigured', 'this driver reads and writes only json')
  }
  store = new RedisStore(URL)
  backend = new ResultBackend(store)
  // With the id of the run in every key, runs leave each other and live data alone.
  await store.open(`resultspec-${run}-${prefix}`)
  return { protocol: PROTOCOL, overlap: true, reopens: true, capabilities: capabilities() }
}

/** What the backend claims, and so is judged by (spec/README.md, "Capabilities"). */
function capabilities() {
  return {
    spec: '0.1',
    implementation: { name: 'resultspec-driver-node', language: 'JavaScript' },
    classes: ['core', 'waiting', 'atomic', 'kv-wire'],
    features: ['connection', 'notify', 'prefix', 'surrogates'],
    payload_limit: PAYLOAD_LIMIT,
    store: store.url,
    prefix: store.prefix,
  }
}

/**
 * Wait for a task. Its exception is an outcome, and not an error of the request.
 * @param {{ task_id: unknown, timeout: unknown, interval: unknown }} params
 */
async function waitFor({ task_id, timeout, interval }) {
  const { status, result } = await backend.waitFor(task_id, timeout, interval)
  return status === 'SUCCESS' ? { returned: toTagged(result) } : { raised: toTagged(result) }
}

/**
 * Perform a request, and make the member of the answer that says how it ended.
 * @param {string} method
 * @param {Record<string, unknown>} params
 */
async function perform(method, params) {
  try {
    if (!Object.hasOwn(operations, method)) {
      throw new BackendError('NotImplementedError', `this backend has no operation ${method}`)
    }
    const result = await operations[method](mapMembers(params, fromTagged))
    return { result: result ?? null }
  } catch (error) {
    return { error: describe(error) }
  }
}

/**
 * Describe an error. One without a kind comes from the client library: the connection was lost, and the operation may
 * have taken effect.
 * @param {unknown} error
 */
function describe(error) {
  const kind = error instanceof BackendError ? error.kind : 'OperationalError'
  const message = error instanceof Error ? error.message : String(error)
  return { code: ERROR_CODE, message, data: { kind } }
}

/**
 * Answer a line of the suite. While one request awaits Redis, the next line is read and answered: this is what
 * `overlap` declares. All of it runs in one thread, so no two requests interleave but where one awaits.
 * @param {string} line
 */
async function answer(line) {
  const { id, method, params } = JSON.parse(line)
  const response = { jsonrpc: '2.0', id, ...(await perform(method, params)) }
  process.stdout.write(`${JSON.stringify(response)}\n`, () => {
    // called when the line has left the process
    if (method === 'shutdown') process.exit(0)
  })
}

// The end of the input is how a driver learns that the suite has gone.
createInterface({ input: process.stdin })
  .on('line', answer)
  .on('close', () => process.exit(0))
