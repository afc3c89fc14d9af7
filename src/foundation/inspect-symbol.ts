/** The method that `console.log` calls for what to show: without it an object with private fields looks empty. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')
