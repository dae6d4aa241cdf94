// The snippet: what the shopper does goes to the collector, what is decided comes back and is shown.
//
// Decisions are data: they choose among what the page already holds and put products in an order. Nothing
// here writes markup, and when Restage is away the page stays as it was served.
//
// A slot is an element with `data-rs-slot`. Its arms are children with `data-rs-arm`, of which one is
// not `hidden`; or its children are products with `data-rs-item`, which are put in order. Boxes keep their
// size, so that nothing on the page moves. What is under the pointer or has the focus stays as it is, and
// follows once it is left.

type Fields = Record<string, string | number>;
type Event_ = Fields & { event_ms: number; kind: string; event_id: string };
type Decision = {
  visitor: string;
  session: string;
  seq: number;
  layout?: Record<string, string>;
  changed?: string[];
  items?: string[] | Record<string, string[]>;
};
type State = "sent" | "received" | "applied" | "visible" | "failed";

const script = document.currentScript as HTMLScriptElement;
const { url = "", key = "", consent: agreed = "full" } = script.dataset;
// What is not understood was not agreed to.
const consent = /^(full|session)$/.test(agreed) ? agreed : "none";
const doc = document;
const now = Date.now;
const AT_ONCE = /view|click|cart|checkout|purchase|exit|search/;
const QUEUE_MAX = 200;
const BATCH_MAX = 50;
// A browser takes 64 KiB of all that is on its way when a page goes, and the collector as much in a body.
const BATCH_BYTES_MAX = 40_000;
const DWELL_MAX_S = 1800;

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
let flying: Event_[] = [];
let sending = false;
let dropped = 0;
let wait = 0;
let timer = 0;
let token = "";
let asked: Promise<void> | null = null;
let stream: EventSource | null = null;
let last = "";
let latest: Decision | null = null;
let told = "";
let held = false;
let seen = "";
const timers = new Map<Element, number>();

const tell = (state: State, id: string, about: unknown = latest) =>
  doc.dispatchEvent(new CustomEvent("restage", { detail: { state, id, about } }));
const idOf = (d: Decision) => d.visitor + "/" + d.session + "/" + d.seq;

const post = (path: string, fields: object) =>
  fetch(url + "/v1/" + path, {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: JSON.stringify({ key, token: token || undefined, ...fields }),
    keepalive: true,
  });
const batch = (events: Event_[]) => ({ sent_at: now(), dropped: dropped || undefined, events });

// Lengths are those of UTF-8.
const encoder = new TextEncoder();
const cut = (text: string, most: number) => text.slice(0, encoder.encodeInto(text, new Uint8Array(most)).read);
// The first of some events, as many as a batch takes.
const first = (events: Event_[]) => {
  let bytes = 0;
  const over = events.findIndex((event, at) => at === BATCH_MAX || ((bytes += encoder.encode(JSON.stringify(event)).length) > BATCH_BYTES_MAX && at));
  return events.slice(0, over < 0 ? BATCH_MAX : over);
};

// A token for this browser, asked for once at a time.
const ask = () =>
  (asked ||= post("session", { token: token || read("token") || undefined })
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
  let again = 0;
  try {
    if (!token) await ask();
    flying = first(queue);
    const lost = dropped;
    const { status } = await post("events", batch(flying));
    if (status === 401) token = "";
    if (status === 401 || status === 429 || status >= 500) throw 0;
    // Refused for good: sending it again would not help.
    const refused = status >= 400 && status !== 422;
    if (refused) tell("failed", "", status);
    queue = queue.filter((event) => !flying.includes(event));
    dropped += refused ? flying.length : -lost;
    wait = 0;
  } catch {
    wait = Math.min(wait * 2 || 500, 30_000);
    again = wait * (0.5 + Math.random());
  }
  flying = [];
  sending = false;
  if (queue.length) later(again);
};

const track = (kind: string, fields: Fields = {}) => {
  if (consent === "none") return;
  const event: Event_ = { event_ms: now(), kind, event_id: page + (made++).toString(36), ...fields };
  if (consent !== "full") event.consent = consent;
  for (const name in fields) {
    const most = name === "page" ? 1024 : 128;
    const text = cut(fields[name] + "", most);
    if (text === fields[name] + "") continue;
    if (name !== "page") {
      // An id that is cut would be another one.
      dropped++;
      return tell("failed", "", name);
    }
    event.page = text;
  }
  queue.push(event);
  tell("sent", kind, fields);
  // The oldest go first: what is done now says more. The collector is told how many.
  if (queue.length > QUEUE_MAX) {
    queue.shift();
    dropped++;
  }
  if (wait) return;
  if (AT_ONCE.test(kind)) {
    clearTimeout(timer);
    timer = 0;
    flush();
  } else later(1000);
};

// What is left when the page goes away: by beacon, and what no beacon takes by the next page. It may come
// back, so what was not taken stays; ids make sure that nothing counts twice.
const leave = () => {
  dwell();
  token ||= read("token");
  let rest = queue.filter((event) => !flying.includes(event));
  while (token && rest.length) {
    const some = first(rest);
    const body = JSON.stringify({ key, token, ...batch(some) });
    if (!navigator.sendBeacon(url + "/v1/events", body)) break;
    dropped = 0;
    rest = rest.slice(some.length);
  }
  queue = flying.concat(rest);
  keep("queue", rest.length ? JSON.stringify(rest) : "");
};

const order = (slot: Element, items: string[]) => {
  const children = [...slot.children] as HTMLElement[];
  const rank = (child: HTMLElement) => {
    const place = items.indexOf(child.dataset.rsItem || "");
    return place < 0 ? items.length : place;
  };
  const fixed = children.findIndex(isHeld);
  const sorted = children.filter((_, place) => place !== fixed).sort((a, b) => rank(a) - rank(b));
  if (fixed >= 0) sorted.splice(fixed, 0, children[fixed]);
  if (sorted.every((child, place) => child === children[place])) return;
  // Nodes that are put in anew have no place that they moved from; the one that is held is not touched.
  sorted.forEach((child, place) => {
    if (place === fixed) return;
    if (place < fixed) slot.insertBefore(child, children[fixed]);
    else slot.append(child);
  });
};

// Under the pointer, where there is one that hovers, or with the focus.
const hovers = matchMedia("(hover:hover)");
const isHeld = (element: Element) =>
  (hovers.matches && element.matches(":hover")) ||
  (doc.activeElement !== doc.body && element.contains(doc.activeElement));

// Shows the latest decision on what the page holds now; once all of it is there, or cannot be, says so.
const apply = () => {
  if (!latest) return;
  const id = idOf(latest);
  const slots = doc.querySelectorAll<HTMLElement>("[data-rs-slot]");
  let state: State = "applied";
  held = false;
  try {
    for (const slot of slots) {
      const name = slot.dataset.rsSlot || "";
      const items = Array.isArray(latest.items) ? latest.items : latest.items?.[name];
      const arm = latest.layout?.[name];
      const arms = [...slot.querySelectorAll<HTMLElement>("[data-rs-arm]")];
      if (!arms.length) items && order(slot, items);
      else if (arm) {
        const wanted = arms.find((child) => child.dataset.rsArm === arm);
        if (!wanted) state = "failed";
        else if (wanted.hidden && isHeld(slot)) held = true;
        else for (const child of arms) child.hidden = child !== wanted;
      }
    }
  } catch {
    state = "failed";
  }
  if (held || told === id) return;
  told = id;
  tell(state, id);
  // Observed anew, a slot that is in sight is reported again; what has failed is seen by nobody.
  sight.disconnect();
  timers.forEach(clearTimeout);
  if (state === "failed") seen = id;
  else for (const slot of slots) if (latest.layout?.[slot.dataset.rsSlot || ""]) sight.observe(slot);
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
  tell("received", idOf(decision));
  apply();
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

// Half of a slot that the decision changed was in sight for half a second.
const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      clearTimeout(timers.get(target));
      if (isIntersecting) timers.set(target, setTimeout(visible, 500, target) as unknown as number);
    }
  },
  { threshold: 0.5 },
);
const visible = (slot: HTMLElement) => {
  const { changed = [] } = latest || {};
  if (!told || told === seen || (changed.length && !changed.includes(slot.dataset.rsSlot || ""))) return;
  if (latest && idOf(latest) !== told) return;
  seen = told;
  track("impression", { item: seen });
  tell("visible", seen);
};

// What the shopper looks at: it stays the same while the address already names the next.
let about: Fields = { page: location.pathname };
let depth = 0;
const scrolled = () => {
  const part = (scrollY + innerHeight) / doc.documentElement.scrollHeight;
  for (const mark of [0.25, 0.5, 0.75, 0.9])
    if (part >= mark && depth < mark) {
      depth = mark;
      track("scroll", { value: mark, page: about.page });
    }
};

// Time for which the page was visible; none runs while it is hidden.
let since = doc.hidden ? 0 : now();
const dwell = () => {
  const seconds = since ? (now() - since) / 1000 : 0;
  since = doc.hidden ? 0 : now();
  if (seconds >= 1 && seconds < DWELL_MAX_S) track("dwell", { value: Math.round(seconds * 10) / 10, ...about });
};

// Another view: a page, a list or an item.
const view = (kind = "page_view", fields: Fields = {}) => {
  dwell();
  about = { page: location.pathname };
  if (fields.item) about.item = fields.item;
  depth = 0;
  track(kind, { page: about.page, ...fields });
  apply();
};

addEventListener("scroll", scrolled, { passive: true });
doc.addEventListener("click", ({ target }) => {
  const named = (target as Element).closest?.<HTMLElement>("[data-rs-click]");
  if (named) track("click", { item: named.dataset.rsClick || "", page: about.page });
});
doc.documentElement.addEventListener("mouseleave", (event) => {
  if (event.clientY <= 0) track("exit_intent", { page: about.page });
});
for (const name of ["pointerout", "focusout"]) doc.addEventListener(name, () => held && setTimeout(apply));
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
    leave();
    queue = [];
    keep("token", "");
    stream?.close();
    token = last = told = "";
    latest = null;
    return ask();
  },
};
if (consent !== "none") {
  try {
    queue = JSON.parse(read("queue") || "[]");
  } catch {
    // Another wrote there.
  }
  keep("queue", "");
  ask().then(flush, () => later(2000));
}
