/**
 * Names of the messaging conventions that we use. They are in development: a new version of them
 * is a change of this file alone.
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 */
export const ATTR_MESSAGING_SYSTEM = 'messaging.system';
export const ATTR_MESSAGING_OPERATION_NAME = 'messaging.operation.name';
export const ATTR_MESSAGING_OPERATION_TYPE = 'messaging.operation.type';
export const ATTR_MESSAGING_DESTINATION_NAME = 'messaging.destination.name';
export const ATTR_MESSAGING_MESSAGE_ID = 'messaging.message.id';

/** Not `redis`: the conventions' list has none, and Redis is what shows beneath, as the database of the `db.*` spans. */
export const MESSAGING_SYSTEM = 'bee-queue';
