// The snippet: what the shopper does goes to the collector, what is decided comes back and is shown.
//
// Decisions are data: they choose among what the page already holds and put products in an order. Nothing
// here writes markup, and when Restage is away the page stays as it was served.
//
// A slot is an element with `data-rs-slot`. Its arms are children with `data-rs-arm`, of which one is
// not `hidden`; or its children are products with `data-rs-item`, which are put in order. Boxes keep their
// size, so that nothing on the page moves. What is under the pointer or has the focus stays where it is.

type Fields = Record<string, string | number>;
type Event_ = Fields & { event_ms: number; kind: string; event_id: string };
type Decision = {
  visitor: string;
  session: string;
  seq: number;
  layout?: Record<string, string>;
  items?: string[] | Record<string, string[]>;
};
type State = "sent" | "received" | "applied" | "visible" | "failed";

const script = document.currentScript as HTMLScriptElement;
const url = script.dataset.url || "";
const key = script.dataset.key || "";
const consent = script.dataset.consent || "full";
const doc = document;
const now = Date.now;
const AT_ONCE = /^(click|add_|remove_|begin_|purchase|item_view|exit_|search)/;
const QUEUE_MAX = 200;
const BATCH_MAX = 50;

const memory = (() => {
  try {
    return consent === "full" ? localStorage : sessionStorage;
  } catch {
    return null;
  }
})();
const read = (name: string) => memory?.getItem("rs." + name) || "";
const keep = (name: string, value: string) => {
  try {
    memory?.setItem("rs." + name, value);
  } catch {
    // A full or forbidden store: the next page begins anew.
  }
};

const page = now().toString(36) + Math.random().toString(36).slice(2, 8);
let made = 0;
let queue: Event_[] = [];
let sending = false;
let wait = 0;
let timer = 0;
let token = "";
let asked: Promise<void> | null = null;
let stream: EventSource | null = null;
let last = "";
let latest: Decision | null = null;
let seen = new Set<string>();

const tell = (state: State, id: string, about: unknown = latest) =>
  doc.dispatchEvent(new CustomEvent("restage", { detail: { state, id, about } }));
const idOf = (d: Decision) => d.visitor + "/" + d.session + "/" + d.seq;

const body = (events: Event_[]) => JSON.stringify({ key, token, sent_at: now(), events });

// A token for this browser, asked for once at a time.
const ask = () =>
  (asked ||= fetch(url + "/v1/session", {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: JSON.stringify({ key, token: token || read("token") || undefined }),
  })
    .then(async (answer) => {
      if (!answer.ok) throw answer.status;
      token = (await answer.json()).token;
      keep("token", token);
      listen();
    })
    .finally(() => (asked = null)));

const later = (ms: number) => {
  if (!timer) timer = setTimeout(flush, ms) as unknown as number;
};

// Sends what waits. What cannot be sent stays, with its ids, so that it counts once.
const flush = async () => {
  timer = 0;
  if (sending || !queue.length) return;
  sending = true;
  const batch = queue.slice(0, BATCH_MAX);
  let again = 0;
  try {
    if (!token) await ask();
    const answer = await fetch(url + "/v1/events", {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: body(batch),
      keepalive: true,
    });
    if (answer.status === 401) token = "";
    if (answer.status === 401 || answer.status === 429 || answer.status >= 500) throw 0;
    queue = queue.filter((event) => !batch.includes(event));
    wait = 0;
  } catch {
    wait = Math.min(wait * 2 || 500, 30_000);
    again = wait * (0.5 + Math.random());
  }
  sending = false;
  if (queue.length) later(again);
};

const track = (kind: string, fields: Fields = {}) => {
  if (consent === "none") return;
  const event: Event_ = { event_ms: now(), kind, event_id: page + (made++).toString(36), ...fields };
  if (consent !== "full") event.consent = consent;
  queue.push(event);
  tell("sent", kind, fields);
  // The oldest go first: what is done now says more.
  if (queue.length > QUEUE_MAX) queue.shift();
  if (wait) return;
  if (AT_ONCE.test(kind)) {
    clearTimeout(timer);
    timer = 0;
    flush();
  } else later(1000);
};

// What is left when the page goes away. It may come back, so what was not taken stays.
const leave = () => {
  dwell();
  if (token && queue.length && !sending) {
    const batch = queue.slice(0, BATCH_MAX);
    if (navigator.sendBeacon(url + "/v1/events", body(batch)))
      queue = queue.filter((event) => !batch.includes(event));
  }
};

const order = (slot: Element, items: string[]) => {
  const children = [...slot.children] as HTMLElement[];
  const rank = (child: HTMLElement) => {
    const place = items.indexOf(child.dataset.rsItem || "");
    return place < 0 ? items.length : place;
  };
  const held = children.findIndex(
    (child) => child.matches(":hover") || child.contains(doc.activeElement),
  );
  const sorted = children
    .filter((_, place) => place !== held)
    .sort((a, b) => rank(a) - rank(b));
  if (held >= 0) sorted.splice(held, 0, children[held]);
  if (sorted.every((child, place) => child === children[place])) return;
  // Nodes that are put in anew have no place that they moved from; the one that is held is not touched.
  sorted.forEach((child, place) => {
    if (place === held) return;
    if (place < held) slot.insertBefore(child, children[held]);
    else slot.append(child);
  });
};

const show = (slot: HTMLElement, arm: string) => {
  const arms = [...slot.querySelectorAll<HTMLElement>("[data-rs-arm]")];
  if (!arms.some((child) => child.dataset.rsArm === arm)) return;
  if (slot.contains(doc.activeElement) && doc.activeElement !== slot) {
    slot.addEventListener("focusout", () => setTimeout(apply), { once: true });
    return;
  }
  for (const child of arms) child.hidden = child.dataset.rsArm !== arm;
};

// Shows the latest decision on what the page holds now.
const apply = () => {
  if (!latest) return true;
  try {
    for (const slot of doc.querySelectorAll<HTMLElement>("[data-rs-slot]")) {
      const name = slot.dataset.rsSlot || "";
      const items = Array.isArray(latest.items) ? latest.items : latest.items?.[name];
      if (slot.querySelector("[data-rs-arm]")) show(slot, latest.layout?.[name] || "");
      else if (items) order(slot, items);
      if (latest.layout?.[name]) sight.observe(slot);
    }
    return true;
  } catch {
    return false;
  }
};

const take = (message: MessageEvent) => {
  let decision: Decision;
  try {
    decision = JSON.parse(message.data);
    if (!decision.session) return;
  } catch {
    return tell("failed", "");
  }
  last = message.lastEventId || last;
  latest = decision;
  const id = idOf(decision);
  tell("received", id);
  tell(apply() ? "applied" : "failed", id);
};

const listen = () => {
  stream?.close();
  if (!token || consent === "none") return;
  const after = last ? "&after=" + encodeURIComponent(last) : "";
  stream = new EventSource(`${url}/v1/stream?token=${token}&consent=${consent}${after}`);
  stream.addEventListener("decision", take);
  stream.addEventListener("resync", take);
  stream.onerror = () => {
    // The browser tries again by itself, unless it was refused.
    if (stream?.readyState === 2) {
      token = "";
      setTimeout(() => ask().catch(() => {}), 5000 * (0.5 + Math.random()));
    }
  };
};

// Half of a slot was in sight for half a second.
const timers = new Map<Element, number>();
const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      clearTimeout(timers.get(target));
      if (isIntersecting) timers.set(target, setTimeout(visible, 500) as unknown as number);
    }
  },
  { threshold: 0.5 },
);
const visible = () => {
  const id = latest && idOf(latest);
  if (!id || seen.has(id)) return;
  seen.add(id);
  track("impression", { item: id });
  tell("visible", id);
};

let depth = 0;
const scrolled = () => {
  const all = doc.documentElement.scrollHeight;
  const part = (scrollY + innerHeight) / all;
  for (const mark of [0.25, 0.5, 0.75, 0.9])
    if (part >= mark && depth < mark) {
      depth = mark;
      track("scroll", { value: mark, page: location.pathname });
    }
};

// Time for which the page was visible.
let since = now();
let about: Fields = {};
const dwell = () => {
  const seconds = (now() - since) / 1000;
  since = now();
  if (!doc.hidden || seconds < 1800) {
    if (seconds >= 1) track("dwell", { value: Math.round(seconds * 10) / 10, page: location.pathname, ...about });
  }
};

// Another view: a page, a list or an item.
const view = (kind = "page_view", fields: Fields = {}) => {
  dwell();
  about = fields.item ? { item: fields.item } : {};
  depth = 0;
  track(kind, { page: location.pathname, ...fields });
  apply();
};

addEventListener("scroll", scrolled, { passive: true });
doc.addEventListener("click", ({ target }) => {
  const named = (target as Element).closest?.<HTMLElement>("[data-rs-click]");
  if (named) track("click", { item: named.dataset.rsClick || "", page: location.pathname });
});
doc.documentElement.addEventListener("mouseleave", (event) => {
  if (event.clientY <= 0) track("exit_intent", { page: location.pathname });
});
doc.addEventListener("visibilitychange", () => {
  if (doc.hidden) leave();
  else since = now();
});
addEventListener("pagehide", () => {
  leave();
  stream?.close();
});
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) listen();
});

(window as unknown as { restage: object }).restage = {
  track,
  view,
  apply,
  // Another visitor: for the demo, and for a shop whose shopper logs out.
  forget() {
    memory?.removeItem("rs.token");
    stream?.close();
    token = last = "";
    latest = null;
    seen = new Set();
    return ask();
  },
};
if (consent !== "none") ask().catch(() => later(2000));
