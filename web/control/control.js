// The control room: what the job, the collector and the serving layer say of themselves, once a second.
//
// Everything comes from /v1/status, /readyz and /v1/simulated. A test reads which members are asked of
// `page`, `lift`, `metric`, `slot`, `leaf`, `arm`, `drift`, `lane`, `snapshot`, `collect`, `serve` and `crowd`,
// and looks for each in a real answer; so these names are used for nothing else.
const by = (id) => document.getElementById(id);
const text = (tag, words, parent, name) => {
  const node = document.createElement(tag);
  node.textContent = words;
  if (name) node.className = name;
  parent?.append(node);
  return node;
};
const count = (number) => Math.round(number ?? 0).toLocaleString("en");
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
const signed = (share) => `${share > 0 ? "+" : ""}${percent(share)}`;
const words = (name) => name.replaceAll("_", " ");
const many = (number, name) => `${count(number)} ${number === 1 ? name.replace(/(s)$/, "") : name}`;
const time = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const size = (bytes) => (bytes < 1 << 20 ? `${count(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`);
const COLOURS = ["#2f6fde", "#d9822b", "#3f8a5a", "#8a5fb0", "#b8486b", "#5b7083", "#a38a2b", "#2b97a3"];

let currency = null;
const money = (value) => (currency ? value.toLocaleString("en", { style: "currency", currency }) : value.toFixed(2));

const table = (node, head, rows, empty = "nothing yet") => {
  node.replaceChildren();
  if (head && rows.length) {
    const line = text("tr", "", node);
    for (const name of head) text("th", name, line);
  }
  for (const { cells, name } of rows.map((row) => (Array.isArray(row) ? { cells: row } : row))) {
    const line = text("tr", "", node, name);
    for (const cell of cells) text("td", "", line).append(cell instanceof Node ? cell : String(cell));
  }
  if (!rows.length) text("td", empty, text("tr", "", node), "none");
};
// A bar from nothing to a share of its track.
const bar = (share, colour = COLOURS[0]) => {
  const node = text("div", "", null, "bar");
  const part = text("i", "", node);
  part.style.width = `${Math.min(100, 100 * Math.max(0, share))}%`;
  part.style.background = colour;
  return node;
};
// An interval and what lies in it, on a track from `low` to `high`.
const reach = ([from, to], at, [low, high], colour) => {
  const place = (value) => `${Math.min(100, Math.max(0, (100 * (value - low)) / (high - low || 1)))}%`;
  const node = text("div", "", null, "reach");
  const span = text("i", "", node);
  span.style.left = place(from);
  span.style.right = `calc(100% - ${place(to)})`;
  span.style.background = colour;
  const dot = text("b", "", node);
  dot.style.left = place(at);
  dot.style.background = colour;
  if (low < 0 && high > 0) text("em", "", node).style.left = place(0);
  return node;
};

// Three minutes of seconds.
const KEPT = 180;
const HEIGHT = 170;
const series = { at: [], events: [], decisions: [], p50: [], p90: [], p99: [] };
const plots = {};
const plot = (id, names) => {
  const width = () => by(id).clientWidth;
  const grid = { stroke: "#eef0f3" };
  const clock = (_, ticks) => ticks.map((tick) => time(1000 * tick).slice(0, tick % 60 ? 8 : 5));
  // Three minutes up to now, also when there is less to show; ticks on whole seconds.
  const x = { range: () => [Date.now() / 1000 - KEPT, Date.now() / 1000] };
  const made = new uPlot(
    {
      width: width(),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { x, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [{ stroke: "#66707e", grid, values: clock, space: 90, incrs: [15, 30, 60, 120] }, { stroke: "#66707e", grid, size: 50 }],
      series: [{}, ...names.map((label, at) => ({ label, stroke: COLOURS[at], width: 1.7, points: { show: false }, fill: at ? undefined : `${COLOURS[at]}14` }))],
    },
    [[], ...names.map(() => [])],
    by(id),
  );
  new ResizeObserver(() => made.setSize({ width: width(), height: HEIGHT })).observe(by(id));
  return made;
};
const show = (id, names, unit) => {
  plots[id] ??= plot(id, names);
  plots[id].setData([series.at, ...names.map((name) => series[name])]);
  by(`${id}_legend`).replaceChildren(
    ...names.map((name, at) => {
      const last = series[name].at(-1);
      const node = text("span", `${name} `);
      node.style.setProperty("--colour", COLOURS[at]);
      text("b", last === null || last === undefined ? "–" : `${count(last)}${unit}`, node);
      return node;
    }),
  );
};

let before = null;
const draw = (page) => {
  currency = page.currency ?? null;
  const { serve, collect } = page;
  const now = page.now_ms / 1000;
  const late = serve?.latency_ms;
  if (before && now > before.now) {
    const rate = (is, was) => Math.max(0, (is - was) / (now - before.now));
    const next = { at: now, events: rate(page.events, before.events), decisions: rate(page.decisions, before.decisions) };
    for (const name of ["p50", "p90", "p99"]) next[name] = late?.count ? late[name] : null;
    for (const [name, value] of Object.entries(next)) {
      series[name].push(value);
      if (series[name].length > KEPT) series[name].shift();
    }
    show("rates", ["events", "decisions"], "/s");
    show("latency", ["p50", "p90", "p99"], " ms");
  }
  before = { now, events: page.events, decisions: page.decisions };

  by("rules").textContent = `policy ${page.policy} · model ${page.model}`;
  const tile = (name, value, more = "") => {
    const node = text("div", name);
    node.prepend(text("b", value));
    if (more) text("small", more, node);
    return node;
  };
  by("tiles").replaceChildren(
    tile("events", count(page.events), `${count(page.scorings)} scorings`),
    tile("decisions", count(page.decisions), `${count(page.changes)} changes`),
    tile("live sessions", count(page.live_sessions), `of ${count(page.sessions)}`),
    tile("visitors", count(page.visitors)),
    tile("sessions that bought", count(page.sessions_bought), `${percent(page.sessions_bought / Math.max(1, page.sessions))} of all`),
    tile("carts abandoned", count(page.carts_abandoned)),
    tile("revenue", money(page.revenue)),
    tile("open streams", count(serve?.streams), serve?.streams_lagging ? `${count(serve.streams_lagging)} dropped as slow` : ""),
    tile("event to decision", late?.count ? `${late.p50} ms` : "–", late?.count ? "median of the last minute" : "nothing in the last minute"),
  );
  const live = Object.entries(page.phases);
  table(by("phases"), ["phase", "sessions", ""], live.map(([name, n]) => [words(name), count(n), bar(n / Math.max(1, page.live_sessions), name === "hesitating" ? COLOURS[1] : COLOURS[0])]), "nobody is here");
  const steps = [["item_view", "products opened"], ["add_to_cart", "into the basket"], ["begin_checkout", "checkouts"], ["purchase", "bought"]];
  const top = page.kinds.item_view ?? 0;
  table(by("funnel"), ["step", "events", "share", ""], top ? steps.map(([kind, name]) => [name, count(page.kinds[kind]), percent((page.kinds[kind] ?? 0) / top), bar((page.kinds[kind] ?? 0) / top)]) : []);
  by("slots").replaceChildren(...page.slots.map(learned));
  if (!page.slots.length) text("p", "No slot has learned anything yet.", by("slots"), "words");
  lifted(page.lift);
  alerts(page);
  drifted(page.drift);
  table(by("lanes"), ["lane", "behind", "read"], page.lanes.map((lane) => [lane.lane, lane.lag_ms === null ? "not begun" : `${count(lane.lag_ms)} ms`, size(lane.bytes)]));
  const kept = page.snapshots ?? [];
  const number = (snapshot) => snapshot.file.replace(/^snapshot-0*/, "").replace(/-0*(\d)/, " · $1");
  table(by("snapshots"), ["snapshot", "size", "age"], kept.map((snapshot) => [number(snapshot), size(snapshot.bytes), `${count(snapshot.age_s)} s`]), "none yet");
  if (page.committed_ms) text("td", `Output committed up to ${time(page.committed_ms)}.`, text("tr", "", by("snapshots"), "none")).colSpan = 3;
  collected(collect);
};

// Counts of good things first, then of what was refused.
const GOOD = ["taken", "session"];
const collected = (collect) => {
  if (!collect) return table(by("collect"), null, [], "another process collects");
  const requests = Object.entries(collect.requests);
  const bad = requests.filter(([how]) => !GOOD.includes(how));
  const share = requests.reduce((all, [, n]) => all + n, 0) || 1;
  table(by("collect"), null, [
    { cells: ["events taken", count(collect.accepted)], name: "good" },
    ["batches taken", count(collect.requests.taken)],
    ["browsers that came", count(collect.requests.session)],
    ["withheld for want of consent", count(collect.withheld)],
    { cells: ["lost by browsers", count(collect.dropped)], name: collect.dropped ? "bad" : "" },
    ...Object.entries(collect.refused).map(([why, n]) => ({ cells: [`event refused: ${words(why)}`, count(n)], name: "bad" })),
    ...bad.map(([how, n]) => ({ cells: [`request refused: ${words(how)}`, `${count(n)} (${percent(n / share)})`], name: "bad" })),
  ]);
};

// A leaf's name for people: `phase=deciding,device=unknown` is deciding, unknown device.
const context = (name) =>
  name === "all"
    ? "everybody"
    : name
        .split(",")
        .map((part) => part.split("="))
        .map(([of, is]) => (of === "phase" ? words(is) : `${words(is)} ${words(of)}`))
        .join(", ");
const LEAVES_SHOWN = 6;
const learned = (slot) => {
  const node = text("article", "");
  const head = text("h3", words(slot.slot), node);
  text("span", ` ${words(slot.method)}${slot.frozen ? ", frozen" : ""}`, head);
  const colour = (name) => COLOURS[slot.arms.findIndex((arm) => arm.arm === name) % COLOURS.length];
  const mean = (arm) => arm.side_by_side ?? arm.mean;
  const most = Math.max(1e-9, ...slot.arms.filter((arm) => arm.exposures > 0).map((arm) => arm.interval?.[1] ?? arm.mean));
  const rows = slot.arms.map((arm) => {
    const name = text("span", words(arm.arm), null, "arm");
    name.style.setProperty("--colour", colour(arm.arm));
    const known = arm.exposures > 0 && arm.interval;
    const span = known ? arm.interval.map((end) => end.toFixed(3)).join(" to ") : "";
    const drawn = text("div", "");
    if (known) drawn.append(reach(arm.interval, mean(arm), [0, most], colour(arm.arm)), text("span", span, null, "small"));
    return [name, count(arm.exposures), known ? mean(arm).toFixed(3) : "–", drawn];
  });
  table(text("table", "", node, "arms"), ["arm", "shown", "reward", "95 % interval"], rows);
  const seen = (leaf) => leaf.held + leaf.arms.reduce((all, arm) => all + arm.exposures, 0);
  const leaves = slot.leaves.filter((leaf) => leaf.arms.some((arm) => arm.share !== undefined)).sort((a, b) => seen(b) - seen(a));
  text("h4", "Weights, by visitors who could see all of them", node);
  for (const leaf of leaves.slice(0, LEAVES_SHOWN)) {
    const line = text("div", "", node, "leaf");
    text("span", context(leaf.leaf), line);
    const stack = text("div", "", line, "stack");
    for (const arm of leaf.arms) {
      if (!arm.share) continue;
      const part = text("i", arm.share >= 0.12 ? percent(arm.share, 0) : "", stack);
      part.style.width = percent(arm.share, 2).replace(" ", "");
      part.style.background = colour(arm.arm);
      part.title = `${words(arm.arm)}: ${percent(arm.share)}`;
    }
  }
  if (!leaves.length) text("p", "even, while all arms warm up", node, "words");
  if (leaves.length > LEAVES_SHOWN) text("p", `and ${leaves.length - LEAVES_SHOWN} groups with fewer visitors`, node, "words");
  return node;
};

const METRICS = [["conversion", "conversion", percent], ["revenue_per_session", "revenue a session", money], ["margin_per_session", "margin a session", money]];
const lifted = (lift) => {
  const node = by("lift");
  node.replaceChildren();
  if (!lift) return text("p", "There is no holdout, so nothing to compare with.", node, "words");
  text("p", words(lift.verdict), node, `verdict ${lift.verdict.replaceAll(" ", "-")}`);
  text("p", lift.words, node, "words");
  // What is still wanting: so many of so many.
  for (const [, has, of, what] of lift.words.matchAll(/([\d,]+) of ([\d,]+) ([^,;:.]+)/g)) {
    const line = text("div", "", node, "leaf");
    text("span", what, line);
    line.append(bar(Number(has.replaceAll(",", "")) / Number(of.replaceAll(",", "")), COLOURS[5]));
  }
  const rows = METRICS.map(([name, said, unit]) => {
    const metric = lift.metrics[name];
    const is = (value, how) => (value === null ? "–" : how(value));
    const interval = metric.relative_interval;
    const drawn = interval ? reach(interval, metric.relative ?? 0, [Math.min(-0.1, interval[0]), Math.max(0.1, interval[1])], interval[0] > 0 ? COLOURS[2] : interval[1] < 0 ? COLOURS[4] : COLOURS[5]) : "";
    const ends = text("span", interval ? interval.map(signed).join(" to ") : "not yet", null, "small");
    const last = text("div", "");
    last.append(drawn, ends);
    return [said, is(metric.treated, unit), is(metric.held, unit), is(metric.difference, unit), is(metric.relative, signed), last];
  });
  // Until there is enough of it, nobody is to read a verdict from figures.
  const early = lift.verdict === "collecting" ? " early" : "";
  table(text("table", "", text("div", "", node, `scroll${early}`)), ["", "Restage", "holdout", "difference", "lift", "interval"], rows);
  const share = lift.visitors.held / Math.max(1, lift.visitors.treated + lift.visitors.held);
  text("p", `${early ? "Too early to read anything from these. " : ""}${many(lift.visitors.treated, "visitors")} with Restage, ${count(lift.visitors.held)} in the holdout (${percent(share)}).`, node, "words");
};

const drifted = (all) => {
  by("drift").replaceChildren();
  if (!all.length) text("p", "Nothing to say yet: what a visit was like is compared with the training once it is over.", by("drift"), "words");
  for (const drift of all) {
    text("p", drift.verdict === "none" ? "none" : drift.verdict, by("drift"), `verdict ${drift.verdict === "far" ? "behind" : ""}`);
    text("p", `${many(drift.sessions, "sessions")}, model ${drift.model}`, by("drift"), "words");
    const most = Object.entries(drift.psi).filter(([, psi]) => psi !== null).sort((a, b) => b[1] - a[1]).slice(0, 6);
    // Below 0.1 little has changed, above 0.25 much: the track ends at 0.5.
    const colour = (psi) => (psi > 0.25 ? COLOURS[4] : psi > 0.1 ? COLOURS[1] : COLOURS[2]);
    table(text("table", "", by("drift")), ["stability index", "", ""], most.map(([name, psi]) => [words(name), psi.toFixed(2), bar(psi / 0.5, colour(psi))]));
  }
};

// What needs somebody, what is worth knowing, and what was looked at.
const alerts = (page) => {
  const said = [];
  const say = (level, what) => said.push([level, what]);
  if (page.lift?.verdict === "unhealthy") say("alarm", page.lift.words);
  for (const lane of page.lanes) {
    if (lane.lag_ms === null) say("alarm", `lane ${lane.lane} has not been begun: nothing is decided until its collector starts`);
    else if (lane.lag_ms > 5000) say("alarm", `lane ${lane.lane} is ${count(lane.lag_ms)} ms behind, and holds up all others`);
    else if (!lane.is_written) say("warning", `no collector writes lane ${lane.lane}`);
  }
  for (const slot of page.slots) {
    if (slot.frozen) say("alarm", `${words(slot.slot)}: visitors do not fall into the groups as drawn; its weights are frozen`);
    for (const arm of slot.arms) {
      if (arm.barred_ms) say("warning", `${words(slot.slot)}: “${words(arm.arm)}” was surely worse than the holdout, and is taken out since ${time(arm.barred_ms)}`);
      if (arm.over_budget > 0) say("warning", `${words(slot.slot)}: “${words(arm.arm)}” is ${money(arm.over_budget)} over its budget`);
    }
  }
  for (const drift of page.drift) if (drift.verdict === "far") say("warning", "visitors behave unlike those that the model was trained on");
  if (page.collect?.requests.behind) say("warning", `the disk was behind ${many(page.collect.requests.behind, "times")}: senders were told to come again`);
  if (page.collect?.dropped) say("warning", `browsers could not send ${many(page.collect.dropped, "events")}: the collector was away, or refused them`);
  for (const [why, n] of Object.entries(page.set_aside)) say("note", `set aside, as it should be: ${many(n, words(why))}`);
  const calm = said.every(([level]) => level === "note");
  const all = calm ? [["well", "All is well: sizes of the groups, drift, budgets, harmful arms and lanes were looked at."], ...said] : said;
  const order = ["alarm", "warning", "well", "note"];
  all.sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]));
  by("alerts").replaceChildren(
    ...all.map(([level, what]) => {
      const node = text("li", "", null, level);
      text("b", level === "well" ? "✓" : level, node);
      text("span", what, node);
      return node;
    }),
  );
};

const SEND = by("send").textContent;
const sent = (crowd) => {
  const share = crowd.sent / Math.max(1, crowd.events);
  by("crowd").style.width = crowd.busy ? percent(share, 0).replace(" ", "") : "0";
  by("send").disabled = crowd.busy;
  const lost = crowd.refused ? `, ${count(crowd.refused)} refused` : "";
  by("send").textContent = crowd.busy ? `${count(crowd.shoppers)} shoppers: ${percent(share, 0)}${lost}` : SEND;
};

const look = async () => {
  try {
    const answer = await fetch("/v1/status");
    if (!answer.ok) throw new Error(answer.status);
    draw(await answer.json());
    // Asked as those do who watch: an answer that is not 200 is no error of this page.
    const { ready, why } = await (await fetch("/v1/ready")).json();
    by("state").textContent = ready ? "ready" : why;
    by("state").className = ready ? "well" : "ill";
    sent(await (await fetch("/v1/simulated")).json());
  } catch (error) {
    by("state").textContent = "away";
    by("state").className = "ill";
  }
  setTimeout(look, 1000);
};
by("send").addEventListener("click", async () => {
  by("send").disabled = true;
  await fetch("/v1/simulated", { method: "POST" });
});
look();
