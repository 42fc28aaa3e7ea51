/**
 * The result backend: what the operations do, on a store of bytes.
 *
 * An operation that is refused or fails in a known way throws a BackendError. Any other error comes from the client
 * library of Redis, and means that the connection was lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import { BackendError } from './errors.mjs'
import { decodeMeta, encodeMeta, READY_STATES, unknownMeta } from './meta.mjs'
import { RedisStore } from './store.mjs'

/** How often a waiter reads without a notification: some writers store and do not publish (WAIT-8). */
const POLL_MS = 250

export class ResultBackend {
  #store

  /** @param {RedisStore} store */
  constructor(store) {
    this.#store = store
  }

  /**
   * Store the state and result of a task, unless its SUCCESS is stored (spec/3-states.md).
   * @param {{ task_id: unknown, state: unknown, result: unknown, traceback?: unknown,
   *   request?: import('./meta.mjs').TaskRequest | null }} params
   */
  async storeResult({ task_id, state, result, traceback = null, request }) {
    const taskId = checkedTaskId(task_id)
    const entry = { taskId, state: checkedState(state), result, traceback: checkedTraceback(traceback) }
    // Encode before the store is touched: what json cannot carry leaves the old entry as it is (VALUE-3).
    const payload = encodeMeta({ ...entry, request: request ?? {} })
    const key = this.#store.keyOf(taskId)
    for (;;) {
      const previous = await this.#store.get(key)
      // A store that loses returns as one that is accepted does (STATE-3, STATE-10).
      if (isSuccess(previous)) return
      if (await this.#store.replaceIfUnchanged(key, previous, payload)) return
      // Another writer was faster, perhaps with a SUCCESS: look again.
    }
  }

  /**
   * Fetch the meta of a task.
   * @param {unknown} id
   */
  async getTaskMeta(id) {
    const taskId = checkedTaskId(id)
    return decodeEntry(taskId, await this.#store.get(this.#store.keyOf(taskId)))
  }

  /**
   * Remove the entry of a task, whether or not it can be decoded (READ-4, VALUE-8).
   * @param {unknown} id
   */
  async forget(id) {
    await this.#store.delete(this.#store.keyOf(checkedTaskId(id)))
  }

  /**
   * Say that a task is not cached: this backend has no cache.
   * @param {unknown} id
   */
  isCached(id) {
    checkedTaskId(id)
    return false
  }

  /**
   * Wait until a task is ready, and fetch its meta.
   *
   * A waiter subscribes first, reads second and rests third: a result that was stored before the subscription is seen
   * by the read, a later one ends the rest (WAIT-9). A message says that the key changed and no more (KEY-7).
   * @param {unknown} id
   * @param {unknown} timeout in seconds; null is for ever
   * @param {unknown} interval in seconds; checked, and not needed since the store notifies
   */
  async waitFor(id, timeout, interval) {
    const taskId = checkedTaskId(id)
    const deadline = performance.now() + 1000 * checkedNumber('timeout', timeout ?? Infinity)
    if (checkedNumber('interval', interval ?? 0) < 0) throw new BackendError('ValueError', 'the interval is negative')

    const key = this.#store.keyOf(taskId)
    // A promise resolves once, so each turn of the loop makes a new one for the next message to resolve.
    let changed = Promise.withResolvers()
    const onMessage = () => changed.resolve(undefined)
    let subscribed = false
    try {
      for (;;) {
        // Both belong before the read: a message that comes during the read ends the rest at once, and a timeout is
        // reported only after a read that began at the deadline or later (WAIT-8).
        changed = Promise.withResolvers()
        const isLastRead = performance.now() >= deadline
        try {
          if (!subscribed) await this.#store.subscribe(key, onMessage)
          subscribed = true
          const meta = decodeEntry(taskId, await this.#store.get(key, { retries: 0 }))
          if (READY_STATES.has(meta.status)) return meta
        } catch (error) {
          if (error instanceof BackendError || this.#store.isClosed) throw error
          // The connection was cut. The client library connects again, and this loop tries again (WAIT-13).
        }
        if (isLastRead) throw new BackendError('TimeoutError', `task ${taskId} was not ready in time`)
        const rest = Math.min(POLL_MS, deadline - performance.now())
        await Promise.race([changed.promise, sleep(Math.max(0, rest))])
      }
    } finally {
      await this.#store.unsubscribe(key, onMessage)
    }
  }
}

/**
 * Make the meta of the stored bytes. Its id is the one that was asked for, whatever id is stored (META-4).
 * @param {string} taskId
 * @param {Buffer | null} bytes
 * @returns {import('./meta.mjs').Meta}
 */
function decodeEntry(taskId, bytes) {
  if (bytes === null) return unknownMeta(taskId)
  try {
    return { ...decodeMeta(bytes), task_id: taskId }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new BackendError('DecodeError', `the entry of task ${taskId} cannot be decoded: ${reason}`, { cause: error })
  }
}

/**
 * Whether an entry is a SUCCESS. One that cannot be decoded counts as absent (VALUE-7).
 * @param {Buffer | null} bytes
 */
function isSuccess(bytes) {
  if (bytes === null) return false
  try {
    return decodeMeta(bytes).status === 'SUCCESS'
  } catch {
    return false
  }
}

/**
 * Refuse what is not a task id (ID-4), and lone surrogates, which UTF-8 would merge into one key (ID-3).
 * @param {unknown} id
 */
function checkedTaskId(id) {
  return checkedText('task id', id)
}

/**
 * Refuse what is not a state (STATE-2).
 * @param {unknown} state
 */
function checkedState(state) {
  return checkedText('state', state)
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function checkedText(name, value) {
  if (typeof value === 'string' && value !== '' && value.isWellFormed()) return value
  throw new BackendError('ValueError', `a ${name} is a text of at least one character, without lone surrogates`)
}

/** @param {unknown} traceback */
function checkedTraceback(traceback) {
  if (traceback === null || typeof traceback === 'string') return traceback
  throw new BackendError('TypeError', 'a traceback is a text or null')
}

/**
 * Refuse what is not a number, and NaN (WAIT-7).
 * @param {string} name
 * @param {unknown} value
 */
function checkedNumber(name, value) {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isNaN(value))) return Number(value)
  throw new BackendError('ValueError', `the ${name} is not a number`)
}
