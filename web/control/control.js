// The control room: what the job, the collector and the serving layer say of themselves, once a second.
const by = (id) => document.getElementById(id);
const text = (tag, words, parent, name) => {
  const node = document.createElement(tag);
  node.textContent = words;
  if (name) node.className = name;
  parent?.append(node);
  return node;
};
const count = (number) => (number ?? 0).toLocaleString("en");
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
const words = (name) => name.replaceAll("_", " ");

const table = (id, head, rows) => {
  const node = typeof id === "string" ? by(id) : id;
  node.replaceChildren();
  if (head) {
    const line = text("tr", "", node);
    for (const name of head) text("th", name, line);
  }
  for (const row of rows) {
    const line = text("tr", "", node);
    for (const cell of row) {
      const at = text("td", "", line);
      at.append(cell instanceof Node ? cell : String(cell));
    }
  }
  if (!rows.length) text("td", "nothing yet", text("tr", "", node));
};
const meter = (value) => {
  const node = document.createElement("meter");
  node.min = 0;
  node.max = 1;
  node.value = value;
  return node;
};

// Three minutes of seconds.
const KEPT = 180;
const series = { at: [], events: [], decisions: [], p50: [], p90: [], p99: [] };
const plots = {};
const plot = (id, names, colours) => {
  const width = () => by(id).clientWidth;
  const made = new uPlot(
    {
      width: width(),
      height: 190,
      legend: { live: true },
      scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [{ stroke: "#66707e", grid: { stroke: "#eef0f3" } }, { stroke: "#66707e", grid: { stroke: "#eef0f3" }, size: 56 }],
      series: [{}, ...names.map((label, place) => ({ label, stroke: colours[place], width: 1.5, points: { show: false } }))],
    },
    [[], ...names.map(() => [])],
    by(id),
  );
  addEventListener("resize", () => made.setSize({ width: width(), height: 190 }));
  return made;
};

let before = null;
const draw = (page) => {
  const now = page.now_ms / 1000;
  if (before && now > before.now) {
    const rate = (name) => Math.max(0, (page[name] - before[name]) / (now - before.now));
    const late = page.serve?.latency_ms ?? {};
    const next = { at: now, events: rate("events"), decisions: rate("decisions"), p50: late.p50, p90: late.p90, p99: late.p99 };
    for (const [name, value] of Object.entries(next)) {
      series[name].push(value ?? null);
      if (series[name].length > KEPT) series[name].shift();
    }
    plots.rates ??= plot("rates", ["events", "decisions"], ["#2f6fde", "#d9822b"]);
    plots.latency ??= plot("latency", ["p50", "p90", "p99"], ["#2f6fde", "#8aa9e0", "#d9822b"]);
    plots.rates.setData([series.at, series.events, series.decisions]);
    plots.latency.setData([series.at, series.p50, series.p90, series.p99]);
  }
  before = { now, events: page.events, decisions: page.decisions };

  by("rules").textContent = `${page.policy} · ${page.model}`;
  const tile = (name, value) => {
    const node = text("div", name);
    node.prepend(text("b", value));
    return node;
  };
  by("tiles").replaceChildren(
    tile("events", count(page.events)),
    tile("decisions", count(page.decisions)),
    tile("live sessions", count(page.live_sessions)),
    tile("visitors", count(page.visitors)),
    tile("sessions that bought", count(page.sessions_bought)),
    tile("revenue", count(Math.round(page.revenue))),
    tile("open streams", count(page.serve?.streams)),
    tile("event to decision, p50", page.serve?.latency_ms.count ? `${page.serve.latency_ms.p50} ms` : "–"),
  );
  table("phases", ["phase", "sessions", ""], Object.entries(page.phases).map(([name, n]) => [words(name), count(n), meter(n / Math.max(1, page.live_sessions))]));
  const steps = [["item_view", "item views"], ["add_to_cart", "into the cart"], ["begin_checkout", "checkouts"], ["purchase", "purchases"]];
  const top = Math.max(1, page.kinds.item_view ?? 0);
  table("funnel", ["step", "events", ""], steps.map(([kind, name]) => [name, count(page.kinds[kind]), meter((page.kinds[kind] ?? 0) / top)]));
  slots(page.slots ?? []);
  lift(page.lift);
  alerts(page);
  table("lanes", ["lane", "behind", "read"], page.lanes.map((lane) => [lane.lane, `${count(lane.lag_ms)} ms`, `${count(Math.round(lane.bytes / 1024))} KiB`]));
  const collected = page.collect;
  table("collect", null, collected ? [
    ["events taken", count(collected.accepted)],
    ["withheld for want of consent", count(collected.withheld)],
    ...Object.entries(collected.refused).map(([why, n]) => [`events refused: ${words(why)}`, count(n)]),
    ...Object.entries(collected.requests).map(([how, n]) => [`requests: ${words(how)}`, count(n)]),
  ] : []);
};

const slots = (all) => {
  by("slots").replaceChildren();
  if (!all.length) text("p", "No slot has learned anything yet.", by("slots"), "words");
  for (const slot of all) {
    text("h3", `${slot.slot}${slot.frozen ? " — frozen" : ""}`, by("slots"));
    const node = text("table", "", by("slots"));
    const rows = slot.arms.map((arm) => [
      words(arm.arm) + (arm.barred_ms ? " (taken out)" : ""),
      count(arm.exposures),
      arm.mean.toFixed(4),
      ...slot.leaves.slice(0, 5).map((leaf) => {
        const share = leaf.arms.find((other) => other.arm === arm.arm)?.share;
        return share === undefined ? "–" : percent(share, 0);
      }),
    ]);
    table(node, ["arm", "exposures", "mean reward", ...slot.leaves.slice(0, 5).map((leaf) => words(leaf.leaf))], rows);
  }
};

const lift = (said) => {
  by("lift").replaceChildren();
  if (!said) return text("p", "No holdout, so nothing to compare with.", by("lift"), "words");
  text("p", words(said.verdict), by("lift"), "verdict");
  text("p", said.words, by("lift"), "words");
  const metrics = Object.entries(said.metrics ?? {}).filter(([, one]) => one?.lift !== undefined && one.lift !== null);
  table(text("table", "", by("lift")), ["", "lift", "interval"], metrics.map(([name, one]) => [words(name), percent(one.lift), one.interval ? one.interval.map((end) => percent(end)).join(" to ") : "–"]));
};

const alerts = (page) => {
  const said = [];
  if (page.lift?.verdict === "unhealthy") said.push(page.lift.words);
  for (const slot of page.slots ?? []) {
    if (slot.frozen) said.push(`${slot.slot}: visitors do not fall into the groups as drawn; its weights are frozen`);
    for (const arm of slot.arms) {
      if (arm.barred_ms) said.push(`${slot.slot}: ${words(arm.arm)} was surely worse than the holdout and is taken out`);
      if (arm.over_budget > 0) said.push(`${slot.slot}: ${words(arm.arm)} has used up its budget`);
    }
  }
  for (const lane of page.lanes) if (lane.lag_ms > 5000) said.push(`lane ${lane.lane} is ${count(lane.lag_ms)} ms behind`);
  for (const [why, n] of Object.entries(page.set_aside ?? {})) said.push(`${words(why)}: ${count(n)} set aside`);
  by("alerts").replaceChildren(...(said.length ? said.map((one) => text("li", one)) : [text("li", "nothing to say", null, "none")]));
};

const look = async () => {
  try {
    const answer = await fetch("/v1/status");
    if (!answer.ok) throw new Error(answer.status);
    draw(await answer.json());
    const ready = await fetch("/readyz");
    by("state").textContent = ready.ok ? "ready" : (await ready.text()).trim();
    by("state").className = ready.ok ? "well" : "ill";
  } catch (error) {
    by("state").textContent = "away";
    by("state").className = "ill";
  }
  setTimeout(look, 1000);
};

by("send").addEventListener("click", async () => {
  const { status } = await fetch("/v1/simulated", { method: "POST" });
  const said = by("send").textContent;
  by("send").disabled = true;
  by("send").textContent = status === 202 ? "They are on their way" : "A crowd is still in the shop";
  setTimeout(() => {
    by("send").disabled = false;
    by("send").textContent = said;
  }, 4000);
});
look();
