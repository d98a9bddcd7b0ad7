// The rules of one stream (world, run), without I/O. Sequences are BigInt throughout.
// What is to be done is returned as a list of [verb, argument]; time is an argument.

export class Stream {
  constructor(world, run, { timeout, enforced }) {
    Object.assign(this, { world, run, timeout, enforced });
    this.applied = 0n;
    this.hash = null;
    this.entries = new Map();
    this.buffer = new Map();
    this.acking = null; // applied, its ACK not confirmed yet
    this.owed = []; // covered events whose ACKs are still to be sent
    this.deadline = null;
    this.resyncing = 0; // number of the resync in flight, 0 if none
    this.resyncs = 0;
    this.failures = 0;
  }

  get gapped() {
    if (this.buffer.size === 0) return false;
    let next = this.applied + 1n;
    let seen = 0;
    while (this.buffer.has(next)) { next += 1n; seen += 1; }
    return seen < this.buffer.size;
  }

  arrived(event, now) {
    if (event.sequence <= this.applied || this.buffer.has(event.sequence)) return [];
    this.buffer.set(event.sequence, event);
    return this.advance(now);
  }

  acked(now) {
    this.acking = null;
    return this.advance(now);
  }

  advance(now) {
    const todo = [];
    if (this.acking === null && this.owed.length > 0) {
      this.acking = this.owed.shift();
      todo.push(["ack", this.acking]);
    }
    const next = this.buffer.get(this.applied + 1n);
    if (this.acking === null && next !== undefined) {
      this.buffer.delete(next.sequence);
      this.applied = next.sequence;
      this.hash = next.body.state_hash ?? this.hash;
      this.entries.set(JSON.stringify([next.body.strategy_id, next.body.side]), next.body);
      this.acking = next;
      todo.push(["show", next], ["ack", next]);
    }
    if (!this.gapped) {
      this.deadline = null;
      this.resyncing = 0;
      this.failures = 0;
    } else if (this.deadline === null && !this.resyncing) {
      this.deadline = now + this.timeout;
    }
    return todo;
  }

  tick(now) {
    if (!this.enforced || this.deadline === null || now < this.deadline || this.resyncing) return [];
    this.deadline = null;
    this.resyncing = ++this.resyncs;
    return [["resync", this.resyncing]];
  }

  // `found` is {hash, snapshot} or null when the resync failed.
  resynced(number, found, now) {
    if (number !== this.resyncing) return []; // the missing event came meanwhile
    this.resyncing = 0;
    const snapshot = found?.snapshot;
    if (!this.acceptable(found?.hash, snapshot)) {
      this.deadline = now + Math.min(250 * 2 ** Math.min(this.failures++, 5), 5000);
      return [];
    }
    const covered = [...this.buffer.values()].filter((e) => e.sequence <= snapshot.sequence);
    covered.sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
    for (const event of covered) this.buffer.delete(event.sequence);
    this.owed.push(...covered);
    this.applied = snapshot.sequence;
    this.hash = snapshot.state_hash;
    this.entries = new Map();
    for (const [strategy, sides] of Object.entries(snapshot.state)) {
      for (const [side, entry] of Object.entries(sides)) this.entries.set(JSON.stringify([strategy, side]), entry);
    }
    this.failures = 0;
    return this.advance(now);
  }

  acceptable(hash, s) {
    return s !== undefined && s !== null && typeof s === "object"
      && s.world_id === this.world && s.run_id === this.run
      && typeof s.state_hash === "string" && s.state_hash === hash
      && typeof s.sequence === "bigint" && s.sequence >= this.applied
      && s.state !== null && typeof s.state === "object" && !Array.isArray(s.state)
      && Object.values(s.state).every((sides) => sides !== null && typeof sides === "object" && !Array.isArray(sides)
        && Object.values(sides).every((e) => e !== null && typeof e === "object" && !Array.isArray(e)));
  }
}

const PHASES = new Set(["freeze", "unfreeze"]);

// The event in a document, {override: body} for one that needs no ACK, or null for invalid input.
export function eventIn(document) {
  if (document === null || typeof document !== "object" || Array.isArray(document)) return null;
  const enveloped = "specversion" in document;
  if (enveloped && document.type !== "activation_updated") return null;
  const body = enveloped ? document.data : document;
  if (body === null || typeof body !== "object" || typeof body.world_id !== "string" || body.world_id === "") return null;
  if (![undefined, true, false].includes(body.requires_ack)) return null;
  if (body.requires_ack !== true) return { override: body };
  const good = typeof body.run_id === "string" && body.run_id !== "" && PHASES.has(body.phase)
    && typeof body.sequence === "bigint" && body.sequence >= 1n
    && ["active", "freeze", "drain"].every((f) => [undefined, null, true, false].includes(body[f]));
  return good ? { sequence: body.sequence, body } : null;
}
