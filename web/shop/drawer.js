// The drawer: what the page tells Restage, what it makes of it, and why the page changed.
import { ARMS, PHASES, SLOTS, arm, feature, measure, slot, trigger } from "/words.js";

const by = (id) => document.getElementById(id);
const text = (tag, words, name) => {
  const node = document.createElement(tag);
  node.textContent = words;
  if (name) node.className = name;
  return node;
};
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const capital = (words) => words[0].toUpperCase() + words.slice(1);

const LIKELY = [[0.05, "unlikely so far"], [0.2, "possible"], [0.5, "likely"], [1.01, "very likely"]];
const LEAVING = [[0.3, "safe so far"], [0.6, "at risk"], [1.01, "about to be left"]];
const meaning = (share, marks) => marks.find(([below]) => share < below)[1];

// Why a slot shows what it shows, of the record's own reason.
const because = (said, name) => {
  const chosen = said.layout?.[name];
  const reason = (said.reason ?? []).find((why) => why.startsWith(`${name}=`)) ?? "";
  if (said.holdout) return "this visitor is kept for comparison and sees the shop's default";
  if (reason.includes("learned weights")) return `drawn with a chance of ${percent(said.propensity?.[name] ?? 0)}, by what worked for visitors like you`;
  if (reason.includes("by rule")) return "a rule of the shop asks for it";
  if (reason.includes("may not be shown")) return "what stood there does not apply any more";
  return chosen ? "the shop's default" : "";
};

const bars = (said) => {
  const line = (said.reason ?? []).find((why) => why.startsWith("p_purchase by ") || why.startsWith("p_abandon by "));
  if (!line) return [];
  const [, parts] = line.split(" by ");
  const moved = parts.split(", ").map((part) => {
    const at = part.lastIndexOf(" ");
    return [part.slice(0, at), Number(part.slice(at + 1))];
  });
  const most = Math.max(...moved.map(([, by]) => Math.abs(by)));
  return moved.map(([name, by]) => {
    const row = text("li", "");
    row.append(text("span", feature(name)));
    const bar = text("i", "", by < 0 ? "down" : "up");
    bar.style.setProperty("--part", Math.abs(by) / most);
    row.append(bar, text("em", `${by < 0 ? "less" : "more"} ${by < 0 ? "−" : "+"}${Math.abs(by).toFixed(2)}`));
    return row;
  });
};

const meter = (id, share, marks) => {
  by(id).style.setProperty("--part", share ?? 0);
  by(`${id}_text`).textContent = share === undefined ? "–" : `${percent(share)} — ${meaning(share, marks)}`;
};

// The slot that changed is marked for a moment.
const mark = (names) => {
  for (const name of names) {
    const node = document.querySelector(`[data-rs-slot="${name}"]`);
    node?.classList.remove("changed");
    // Asked for its size, the page sees the class go before it comes again.
    void node?.offsetWidth;
    node?.classList.add("changed");
  }
};

const tell = (said) => {
  const changed = said.changed ?? [];
  if (said.p_purchase !== undefined) {
    meter("p_purchase", said.p_purchase, LIKELY);
    meter("p_abandon", said.p_abandon, LEAVING);
    by("p_abandon").parentElement.classList.toggle("idle", !Number(by("count").textContent));
  }
  for (const step of by("phases").children) step.toggleAttribute("aria-current", step.dataset.phase === said.phase);
  by("phase").textContent = PHASES[said.phase] ?? "";
  const shown = changed.filter((name) => name in SLOTS);
  const sentences = shown.map((name) => {
    const what = name === "grid" ? `the products come in a new order, ${arm(said.layout?.[name] ?? "")} first` : `${slot(name)} shows ${arm(said.layout?.[name] ?? "")}`;
    return `${what}: ${because(said, name)}`;
  });
  const why = capital(trigger(said.trigger ?? "start"));
  by("changed").replaceChildren(text("p", shown.length ? `${why}, so the page follows:` : `${why}. Nothing on the page had to change.`), ...sentences.map((words) => text("p", `${capital(words)}.`, "said")));
  const moved = bars(said);
  if (moved.length) by("moved").replaceChildren(...moved);
  // What is not known yet, as the time since the first thing in the basket, has no row.
  const known = Object.entries(said.features ?? {}).filter(([, value]) => value !== null);
  by("visit").replaceChildren(...known.flatMap(([name, value]) => [text("dt", feature(name)), text("dd", measure(name, value))]));
  const layout = Object.entries(said.layout ?? {}).filter(([name, chosen]) => name in SLOTS && chosen in ARMS);
  by("layout").replaceChildren(...layout.flatMap(([name, chosen]) => [text("dt", capital(slot(name))), text("dd", arm(chosen))]));
  by("held").hidden = !said.holdout;
  if (said.seq > 0) mark(changed);
};

const EVENT = {
  dwell: (said) => `stayed ${Math.round(said.value)} s`,
  scroll: (said) => `scrolled to ${percent(said.value)}`,
  impression: () => "saw the change",
  click: (said) => `clicked ${said.item ?? ""}`,
};
const event = (kind, said) => EVENT[kind]?.(said) ?? trigger(kind).replace(/^you /, "");

export const start = (anew) => {
  const open = (wanted) => {
    by("drawer").hidden = !wanted;
    document.body.classList.toggle("open", wanted);
    by("open").setAttribute("aria-expanded", String(wanted));
    by(wanted ? "drawer" : "open").focus({ preventScroll: true });
  };
  addEventListener("keydown", ({ key }) => key === "Escape" && !by("drawer").hidden && open(false));
  by("open").addEventListener("click", () => open(by("drawer").hidden));
  by("close").addEventListener("click", () => open(false));
  by("anew").addEventListener("click", anew);
  by("phases").append(
    ...Object.keys(PHASES).map((name) => {
      const step = text("li", name);
      step.dataset.phase = name;
      return step;
    }),
  );
  let acted = 0;
  document.addEventListener("restage", ({ detail: { state, id, about: said } }) => {
    if (state === "sent") {
      if (id !== "impression") acted = performance.now();
      const line = text("li", "");
      line.append(text("time", new Date().toLocaleTimeString("en-GB")), text("span", event(id, said)));
      by("events").prepend(line);
      while (by("events").children.length > 12) by("events").lastChild.remove();
    }
    if (state !== "applied" || !said) return;
    const delay = performance.now() - acted;
    const isAnswer = said.trigger && !said.trigger.startsWith("timer") && said.trigger !== "tables";
    by("delay").textContent = isAnswer && delay < 1000 ? `The page followed in ${delay.toFixed(0)} ms.` : "";
    tell(said);
  });
};
