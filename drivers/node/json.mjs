/**
 * The serializer json (spec/5-values.md): strict JSON, in which integers keep every digit.
 *
 * JSON.parse and JSON.stringify alone would round integers beyond 2 ** 53. What a reviver is given as
 * `context.source`, and JSON.rawJSON, get past that; both need Node 22.
 */
import { inspect } from 'node:util'

import { BackendError } from './errors.mjs'
import { isInteger, TaskException, UnsupportedValue } from './values.mjs'

/** CPython, which reads the same entries, refuses longer integers. */
const MAX_INTEGER_DIGITS = 4300

/**
 * Serialize a value, or refuse it with EncodeError (VALUE-2, VALUE-3, EXC-9).
 * @param {unknown} value
 */
export function encode(value) {
  return JSON.stringify(value, (_name, member) => {
    if (isInteger(member)) return encodeInteger(member)
    const notFinite = typeof member === 'number' && !Number.isFinite(member)
    if (notFinite || member instanceof TaskException || member instanceof UnsupportedValue) refuse(inspect(member))
    return member
  })
}

/** @param {number | bigint} integer */
function encodeInteger(integer) {
  const literal = String(BigInt(integer))
  const digits = literal.replace('-', '').length
  if (digits > MAX_INTEGER_DIGITS) refuse(`an integer of ${digits} digits`)
  return JSON.rawJSON(literal)
}

/**
 * @param {string} what
 * @returns {never}
 */
function refuse(what) {
  throw new BackendError('EncodeError', `json cannot carry ${what}`)
}

/**
 * Whether json carries a value.
 * @param {unknown} value
 */
export function canEncode(value) {
  try {
    encode(value)
    return true
  } catch {
    return false
  }
}

/**
 * Deserialize a text.
 * @param {string} text
 * @returns {unknown}
 */
export function decode(text) {
  return JSON.parse(text, (_name, value, context) => {
    const rounded = typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source)
    return rounded ? BigInt(context.source) : value
  })
}
