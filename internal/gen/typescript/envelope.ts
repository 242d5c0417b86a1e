/** The process that published the event. */
export interface Source {
  service: string;
  instance_id: string;
  hostname?: string;
  [member: string]: unknown;
}

/** What travels along without being part of the payload. */
export interface Metadata {
  /** W3C trace id, 32 hexadecimal digits; a UUID is read too. */
  trace_id?: string | null;
  span_id?: string | null;
  user_id?: string | null;
  tenant_id?: string | null;
  extra?: { [member: string]: unknown } | null;
  [member: string]: unknown;
}

/** One event of type T with a payload of type P. Members that a later version adds are kept. */
export interface Envelope<P = unknown, T extends string = string> {
  /**
   * Names this event for ever; the key for recognising a repetition.
   *
   * @format uuid
   */
  event_id: string;
  /** The full name of the topic. */
  event_type: T;
  /** Links the events of one flow; echoed unchanged. 1 to 128 printable characters. */
  correlation_id: string;
  /**
   * The event_id of the event that caused this one.
   *
   * @format uuid
   */
  causation_id?: string | null;
  /**
   * When it happened: RFC 3339, UTC, milliseconds, Z.
   *
   * @format date-time
   */
  timestamp: string;
  /** The semantic version of the payload's schema. */
  version: string;
  source: Source;
  metadata?: Metadata;
  payload: P;
  [member: string]: unknown;
}
