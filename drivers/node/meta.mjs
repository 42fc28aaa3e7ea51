/**
 * The meta of a task: from the arguments of a store to the stored bytes, and back.
 *
 * spec/4-task-meta.md describes its members, spec/6-exceptions.md the exception among them.
 */
import { inspect } from 'node:util'
import { inflateSync } from 'node:zlib'

import * as json from './json.mjs'
import { isMap, TaskException } from './values.mjs'

/**
 * @typedef {object} Meta the members that this driver looks at; a stored meta can have more, which are handed on
 * @property {string} status
 * @property {unknown} result
 * @property {string | null} traceback
 * @property {ResultTuple[] | null} children
 * @property {string | null} date_done
 * @property {string} task_id
 *
 * @typedef {[[id: string, parent: ResultTuple | null], members: ResultTuple[] | null]} ResultTuple
 *
 * @typedef {object} TaskRequest the request of a task, as far as it is stored
 * @property {unknown} [children]
 * @property {string | null} [group]
 * @property {string | null} [parent_id]
 */

/** The states in which a task has ended. Never test for unready names: the set of states is open (WAIT-2). */
export const READY_STATES = new Set(['FAILURE', 'REVOKED', 'SUCCESS'])

/** The states in which the result is an exception. */
const EXCEPTION_STATES = new Set(['FAILURE', 'RETRY', 'REVOKED'])

/** A compressed payload that grows beyond so many bytes is refused (VALUE-12). */
export const PAYLOAD_LIMIT = 2 ** 24

/** In front of a compressed payload. In spite of its name, the content type means a zlib stream (VALUE-11). */
const COMPRESSION_PREFIX = Buffer.from('\0celery-compressed\0application/x-gzip\0')

/**
 * The meta of a task of which nothing is stored (META-2, META-3).
 * @param {string} taskId
 * @returns {Meta}
 */
export function unknownMeta(taskId) {
  return { status: 'PENDING', ...emptyMembers(), task_id: taskId }
}

/** What a stored meta may leave out (META-13). */
function emptyMembers() {
  return { result: null, traceback: null, children: null, date_done: null }
}

/**
 * Make the bytes to store.
 * @param {{ taskId: string, state: string, result: unknown, traceback: string | null, request: TaskRequest }} entry
 */
export function encodeMeta({ taskId, state, result, traceback, request }) {
  return json.encode({
    status: state,
    result: EXCEPTION_STATES.has(state) && result instanceof TaskException ? exceptionToMap(result) : result,
    traceback,
    children: request.children ?? null,
    date_done: READY_STATES.has(state) ? new Date().toISOString() : null,
    task_id: taskId,
    // an empty text is no group and no parent
    group_id: request.group || null,
    parent_id: request.parent_id || null,
  })
}

/**
 * Give an exception its form on the wire (EXC-11). A failure is always stored: an argument that json does not carry
 * is replaced by its text representation (EXC-6).
 * @param {TaskException} exception
 */
function exceptionToMap({ type, module, args }) {
  const carried = args.map((argument) => (json.canEncode(argument) ? argument : inspect(argument)))
  return { exc_type: type, exc_message: carried, exc_module: module }
}

/**
 * Read stored bytes. Whatever is thrown means that they cannot be decoded (VALUE-6).
 * @param {Buffer} bytes
 * @returns {Omit<Meta, 'task_id'>}
 */
export function decodeMeta(bytes) {
  const stored = json.decode(utf8(isCompressed(bytes) ? decompress(bytes) : bytes))
  demand(isMap(stored), 'it is not a map')
  demand(isNonEmptyText(stored.status), 'it has no status')
  for (const name of ['traceback', 'group_id', 'parent_id']) {
    demand(isTextOrNull(stored[name] ?? null), `its ${name} is neither text nor null`)
  }
  const meta = { ...emptyMembers(), ...stored, status: stored.status }
  return {
    ...meta,
    result: decodeResult(meta.status, meta.result),
    children: decodeMembers(meta.children),
    date_done: decodeInstant(meta.date_done),
  }
}

/**
 * @param {unknown} condition
 * @param {string} complaint
 * @returns {asserts condition}
 */
function demand(condition, complaint) {
  if (!condition) throw new Error(complaint)
}

/** @param {unknown} value */
function isNonEmptyText(value) {
  return typeof value === 'string' && value !== ''
}

/** @param {unknown} value */
function isTextOrNull(value) {
  return typeof value === 'string' || value === null
}

/**
 * Decode UTF-8. A byte order mark is kept, for JSON.parse to refuse it (VALUE-9).
 * @param {Buffer} bytes
 */
function utf8(bytes) {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

/**
 * No serializer's output begins with NUL.
 * @param {Buffer} bytes
 */
function isCompressed(bytes) {
  return bytes[0] === 0
}

/**
 * Decompress a payload, without ever holding more than the limit (VALUE-12).
 * @param {Buffer} bytes
 * @returns {Buffer}
 */
function decompress(bytes) {
  const prefix = bytes.subarray(0, COMPRESSION_PREFIX.length)
  demand(prefix.equals(COMPRESSION_PREFIX), 'its compression is not known')
  const stream = bytes.subarray(COMPRESSION_PREFIX.length)
  const { buffer, engine } = inflateSync(stream, { maxOutputLength: PAYLOAD_LIMIT, info: true })
  demand(engine.bytesWritten === stream.length, 'bytes follow its compressed stream')
  return buffer
}

/**
 * Read the result: an exception in a state of EXCEPTION, but for a RETRY without a cause (EXC-8).
 * @param {string} status
 * @param {unknown} result
 */
function decodeResult(status, result) {
  if (!EXCEPTION_STATES.has(status)) return result
  if (status === 'RETRY' && result === null) return null
  return exceptionFromStored(result)
}

/**
 * Steps 3 and 4 of "What a reader does" in spec/6-exceptions.md; the others are for languages with such classes.
 * @param {unknown} stored
 */
function exceptionFromStored(stored) {
  if (!isMap(stored) || !isNonEmptyText(stored.exc_type)) return new TaskException('Exception', 'builtins', [stored])
  const module = typeof stored.exc_module === 'string' ? stored.exc_module : null
  return new TaskException(stored.exc_type, module, exceptionArguments(stored.exc_message))
}

/** @param {unknown} message */
function exceptionArguments(message) {
  if (message === undefined) return []
  return Array.isArray(message) ? message : [message]
}

/**
 * Read the members of a group, or the children of a task (META-7).
 * @param {unknown} stored
 * @returns {ResultTuple[] | null}
 */
function decodeMembers(stored) {
  if (stored === null) return null
  demand(Array.isArray(stored), 'a list of result tuples is not a list')
  return stored.map(decodeResultTuple)
}

/**
 * Read a result tuple, `[[id, parent], members]`, or in the form of Celery until 4.2, `[id, members]`.
 * @param {unknown} stored
 * @returns {ResultTuple}
 */
function decodeResultTuple(stored) {
  demand(isPair(stored), 'a result tuple is not a list of two')
  const [head, members] = stored
  const reference = typeof head === 'string' ? [head, null] : head
  demand(isPair(reference), 'a result tuple does not begin with an id and a parent')
  const [id, parent] = reference
  demand(isNonEmptyText(id), 'a result tuple has no id')
  return [[id, parent === null ? null : decodeResultTuple(parent)], decodeMembers(members)]
}

/**
 * @param {unknown} value
 * @returns {value is [any, any]}
 */
function isPair(value) {
  return Array.isArray(value) && value.length === 2
}

/**
 * Read `date_done`. Without an offset it is UTC (META-15), which the caller need not know: the answer has an offset.
 * @param {unknown} stored
 * @returns {string | null}
 */
function decodeInstant(stored) {
  if (stored === null) return null
  demand(typeof stored === 'string', 'its date_done is neither text nor null')
  const [, time = '', offset = '+00:00'] = /^(\d{4}-\d\d-\d\dT[\d:.]+)(Z|[+-]\d\d:\d\d)?$/.exec(stored) ?? []
  const instant = time + offset
  demand(!Number.isNaN(Date.parse(instant)), 'its date_done does not name an instant')
  return instant
}
