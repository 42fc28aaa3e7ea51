/** An error that says by its kind what became of the operation; spec/17-driver.md lists the kinds. */
export class BackendError extends Error {
  /**
   * @param {string} kind
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(kind, message, options) {
    super(message, options)
    this.kind = kind
  }
}
