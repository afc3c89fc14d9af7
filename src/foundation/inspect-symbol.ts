/** The method that `console.log` asks what to show: without it an object of private fields looks empty. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')
