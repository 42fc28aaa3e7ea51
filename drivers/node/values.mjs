/**
 * Values, and their tagged encoding on the wire between the suite and this driver (spec/17-driver.md, "Values").
 *
 * Inside the driver a value is what JSON.parse returns, a BigInt for an integer that a number would round, or an
 * instance of one of the two classes below.
 */

/** An exception as data: a port never needs a class of that name (spec/6-exceptions.md, "What a reader does"). */
export class TaskException {
  /**
   * @param {string} type the qualified name of the class
   * @param {string | null} module
   * @param {unknown[]} args
   */
  constructor(type, module, args) {
    this.type = type
    this.module = module
    this.args = args
  }
}

/** A value that JSON cannot carry, such as bytes or a tuple. It is only ever refused, so its content is dropped. */
export class UnsupportedValue {
  /** @param {string} type */
  constructor(type) {
    this.type = type
  }
}

/**
 * Whether a value is a map: not a list, and not an instance of the classes above.
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
export function isMap(value) {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/**
 * Whether a value is an integer, of either type.
 * @param {unknown} value
 * @returns {value is number | bigint}
 */
export function isInteger(value) {
  return typeof value === 'bigint' || Number.isInteger(value)
}

/**
 * Apply a function to the members of a map. Object.fromEntries defines them, so that a member that is called
 * `__proto__` is a member like any other.
 * @param {Record<string, any>} map
 * @param {(member: any) => any} change
 */
export function mapMembers(map, change) {
  return Object.fromEntries(Object.entries(map).map(([name, member]) => [name, change(member)]))
}

/**
 * Decode a value out of a request.
 * @param {any} tagged
 * @returns {unknown}
 */
export function fromTagged(tagged) {
  if (Array.isArray(tagged)) return tagged.map(fromTagged)
  if (!isMap(tagged)) return tagged
  if (!Object.hasOwn(tagged, '$type')) return mapMembers(tagged, fromTagged)
  switch (tagged.$type) {
    case 'int':
      return BigInt(tagged.value)
    case 'float':
      return Number(tagged.value.replace('inf', 'Infinity'))
    case 'text':
      return textFromCodePoints(tagged.value)
    case 'exception':
      return new TaskException(tagged.type, tagged.module, tagged.args.map(fromTagged))
    case 'map':
      return mapFromPairs(tagged.value.map(fromTagged))
    default:
      return new UnsupportedValue(tagged.$type)
  }
}

/** @param {number[]} points */
function textFromCodePoints(points) {
  return points.map((point) => String.fromCodePoint(point)).join('')
}

/**
 * Make a map of pairs. JSON has only text as keys.
 * @param {[unknown, unknown][]} pairs
 */
function mapFromPairs(pairs) {
  const onlyText = pairs.every(([key]) => typeof key === 'string')
  return onlyText ? Object.fromEntries(pairs) : new UnsupportedValue('map')
}

/**
 * Encode a value for an answer.
 * @param {unknown} value
 * @returns {unknown}
 */
export function toTagged(value) {
  if (typeof value === 'string') return textToTagged(value)
  if (isInteger(value)) return integerToTagged(value)
  if (Array.isArray(value)) return value.map(toTagged)
  if (value instanceof TaskException) {
    return { $type: 'exception', type: value.type, module: value.module, args: value.args.map(toTagged) }
  }
  if (isMap(value)) return mapToTagged(value)
  return value
}

/** @param {string} text */
function textToTagged(text) {
  if (text.isWellFormed()) return text
  return { $type: 'text', value: Array.from(text, (character) => character.codePointAt(0)) }
}

/**
 * JSON.stringify writes 2 ** 60 as the shortest digits that round to it, which as an integer are another number.
 * @param {number | bigint} integer
 */
function integerToTagged(integer) {
  const number = Number(integer)
  return Number.isSafeInteger(number) ? number : { $type: 'int', value: String(BigInt(integer)) }
}

/** @param {Record<string, any>} map */
function mapToTagged(map) {
  const plain = Object.keys(map).every((name) => name !== '$type' && name.isWellFormed())
  if (plain) return mapMembers(map, toTagged)
  return { $type: 'map', value: Object.entries(map).map(([name, member]) => [toTagged(name), toTagged(member)]) }
}
