/**
 * The Redis in which entries are stored: one key and one channel for each task (spec/7-keys.md).
 *
 * When a connection is lost, only what changes nothing is repeated: a write may have taken effect, and a second one
 * could undo what somebody else has stored since.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import { createClient, ErrorReply, RESP_TYPES } from 'redis'

/** How long an entry lives: Celery's default. */
const LIFE_SECONDS = 86_400
/** About three seconds of attempts to connect, since an operation that takes ten counts as hung. */
const MAX_RECONNECTS = 25
/** A second of attempts to read: what a connection that was cut needs to come back. */
const RETRIES = 40
const RETRY_PAUSE_MS = 25

/**
 * Replace the bytes of a key if they are still what the writer has read, and publish the new ones in the same step:
 * the guard of SUCCESS is atomic (STATE-12), the value is readable before its notification (KEY-5), and a writer that
 * lost publishes nothing (KEY-6). A missing key counts as empty.
 */
const REPLACE_IF_UNCHANGED = `
  if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
    return 0
  end
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
  redis.call('PUBLISH', KEYS[1], ARGV[2])
  return 1`

export class RedisStore {
  #url
  #commands
  #subscriber
  #prefix = ''
  /** Whether it was closed, so that nobody tries again. */
  isClosed = false

  /** @param {string} url */
  constructor(url) {
    this.#url = url
    // Without the queue, a command fails while the connection is down, and a waiter can keep its deadline.
    const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy } })
    // Stored bytes come as they are: the meta decides how to decode them.
    this.#commands = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
    // A Redis connection that has subscribed takes no other commands.
    this.#subscriber = client.duplicate()
    for (const connection of [client, this.#subscriber]) {
      connection.on('error', (error) => console.error(error.message))
    }
  }

  /**
   * Connect.
   * @param {string} prefix the global key prefix, before it is completed
   */
  async open(prefix) {
    this.#prefix = completePrefix(prefix)
    await Promise.all([this.#commands.connect(), this.#subscriber.connect()])
  }

  /** Disconnect. What is waited for fails, and so does every later command. */
  close() {
    this.isClosed = true
    for (const connection of [this.#commands, this.#subscriber]) {
      if (connection.isOpen) connection.destroy()
    }
  }

  /** The global key prefix that is in force. */
  get prefix() {
    return this.#prefix
  }

  /** The location with its password, for the suite, which looks at the stored bytes itself. */
  get url() {
    return this.#url
  }

  /** The location without its password. */
  get uri() {
    return this.#url.replace(/(:\/\/[^/@]*:)[^/@]*@/, '$1**@')
  }

  /**
   * Compute the key of a task, which is also the name of its channel (KEY-1, KEY-4).
   * @param {string} taskId
   */
  keyOf(taskId) {
    return `${this.#prefix}celery-task-meta-${taskId}`
  }

  /**
   * @param {string} key
   * @param {{ retries?: number }} [options]
   * @returns {Promise<Buffer | null>}
   */
  async get(key, { retries = RETRIES } = {}) {
    return retry(() => this.#commands.get(key), retries)
  }

  /**
   * Replace the bytes of a key and notify its channel, unless somebody else wrote since `previous` was read.
   * @param {string} key
   * @param {Buffer | null} previous
   * @param {string} payload
   * @returns {Promise<boolean>} whether the payload was written
   */
  async replaceIfUnchanged(key, previous, payload) {
    const parameters = { keys: [key], arguments: [previous ?? '', payload, String(LIFE_SECONDS)] }
    return (await this.#commands.eval(REPLACE_IF_UNCHANGED, parameters)) === 1
  }

  /** @param {string} key */
  async delete(key) {
    await this.#commands.del(key)
  }

  /**
   * Have a function called for each message on the channel of a key, until `unsubscribe`. The client library
   * subscribes again when it has connected again (WAIT-13).
   * @param {string} key
   * @param {() => void} listener
   */
  async subscribe(key, listener) {
    await this.#subscriber.subscribe(key, listener)
  }

  /**
   * Stop calling one function, and leave the channel if no other listens to it (WAIT-11, WAIT-12).
   * @param {string} key
   * @param {() => void} listener
   */
  async unsubscribe(key, listener) {
    // A connection that was closed has left all channels, and the client library would wait for its answer for ever.
    if (!this.isClosed) await retry(() => this.#subscriber.unsubscribe(key, listener), RETRIES)
  }
}

/**
 * End a prefix in a separator (KEY-2).
 * @param {string} prefix
 */
function completePrefix(prefix) {
  return /[:_.-]$/.test(prefix) ? prefix : `${prefix}_`
}

/**
 * Say how long to pause before the next attempt to connect, or with which error to give up.
 * @param {number} attempts
 * @param {Error} cause
 */
function reconnectStrategy(attempts, cause) {
  return attempts < MAX_RECONNECTS ? Math.min(10 * attempts, 200) : cause
}

/**
 * Repeat what changes nothing while the connection is down. What Redis itself answers with an error is not repeated.
 * @template T
 * @param {() => Promise<T>} action
 * @param {number} retries
 * @returns {Promise<T>}
 */
async function retry(action, retries) {
  for (let left = retries; ; left -= 1) {
    try {
      return await action()
    } catch (error) {
      if (error instanceof ErrorReply || left === 0) throw error
    }
    await sleep(RETRY_PAUSE_MS)
  }
}
