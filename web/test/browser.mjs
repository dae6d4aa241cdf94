// Drives the demo shop of `restage up` in a real browser, and says what it saw.
//
//   node test/browser.mjs PROGRAM [FOLDER]
//
// Starts the program and keeps simulated shoppers in the shop. Browses, fills a basket, hesitates; measures from
// click to changed page and how much the page shifts. Then things break: refusals, a stream that is cut, the
// program killed and started again; two tabs, back and forward. What the page was told is compared with the
// log of decisions, what it sent with the lane. Screenshots of every view at three widths into FOLDER.
// Exit code 1 if a bound does not hold.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { chromium } from "playwright-core";

const [program, folder] = process.argv.slice(2);
const work = mkdtempSync(`${tmpdir()}/restage-browser-`);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
let failed = 0;
const check = (name, holds, saw) => {
  console.log(`${holds ? "ok  " : "FAIL"} ${name}: ${saw}`);
  if (!holds) failed++;
};

// The program: on ports of its own choice, which it keeps when it is started again.
const ports = { shop: 0, control: 0 };
let up = null;
const start = () =>
  new Promise((started, broken) => {
    const args = ["up", "--dir", `${work}/data`, "--snapshot-every", "1s", "--listen", `127.0.0.1:${ports.shop}`, "--monitor", `127.0.0.1:${ports.control}`];
    up = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    up.on("exit", (code) => code && broken(new Error(`it ended with ${code}: ${said}`)));
    let said = "";
    up.stderr.on("data", (text) => {
      said += text;
      const port = (what) => Number(said.match(new RegExp(`${what} at http://[^:]+:(\\d+)`))?.[1] ?? 0);
      [ports.shop, ports.control] = [port("the shop") || ports.shop, port("the control room") || ports.control];
      if (port("the control room")) started();
    });
  });
process.on("exit", () => up?.kill("SIGKILL"));
const kill = () =>
  new Promise((ended) => {
    up.on("exit", ended);
    up.kill("SIGKILL");
  });
const lines = (file) => {
  const text = readFileSync(`${work}/data/${file}`, "utf8");
  const whole = text.slice(0, text.lastIndexOf("\n"));
  return whole.split("\n").filter(Boolean).map((line) => JSON.parse(line));
};

// Between browser and program, so that a connection can be cut.
const open = new Set();
const wire = createServer((near) => {
  const far = connect(ports.shop, "127.0.0.1");
  for (const [one, other] of [[near, far], [far, near]]) {
    open.add(one);
    one.on("error", () => other.destroy());
    one.on("close", () => (open.delete(one), other.destroy()));
    one.pipe(other);
  }
});
const cut = () => open.forEach((socket) => socket.destroy());

await start();
await new Promise((listens) => wire.listen(0, "127.0.0.1", listens));
const shop = `http://127.0.0.1:${wire.address().port}`;
const control = () => `http://127.0.0.1:${ports.control}`;
// Simulated shoppers all the while: the next crowd comes when one has gone.
const crowd = () => fetch(`${control()}/v1/simulated`, { method: "POST" }).catch(() => {});
await crowd();
const crowds = setInterval(crowd, 3000);

const path = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((one) => {
  try {
    return readFileSync(one, { flag: "r" }) && true;
  } catch {
    return false;
  }
});
const browser = await chromium.launch({
  executablePath: path,
  // Playwright turns the back/forward cache off: a real browser has it.
  ignoreDefaultArgs: ["--disable-back-forward-cache"],
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const watch = () => {
  const OF_CLICKS = ["start", "page_view", "list_view", "item_view", "view_cart", "add_to_cart", "click"];
  const log = (window.seen = { states: [], sent: [], shift: 0, delays: [], held: 0, restored: 0, holdout: false });
  let [clicked, received] = [0, 0];
  addEventListener("click", () => (clicked = performance.now()), true);
  addEventListener("pageshow", ({ persisted }) => (log.restored += persisted));
  document.addEventListener("restage", ({ detail: { state, id, about } }) => {
    const now = performance.now();
    if (state === "sent") return log.sent.push(id);
    log.states.push([state, id]);
    if (state === "received") received = now;
    log.holdout = about?.holdout;
    // A change that waited for the policy's cooldown comes with a later event, a dwell or a scroll.
    if (state === "applied" && clicked && OF_CLICKS.includes(about?.trigger)) {
      // What is under the pointer follows when it is left: that is no delay.
      if (now - received > 50) log.held++;
      else log.delays.push(now - clicked);
      clicked = 0;
    }
  });
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (!one.hadRecentInput) log.shift += one.value;
  }).observe({ type: "layout-shift", buffered: true });
};
// While something is broken on purpose the browser itself notes requests that failed. Nothing else may be noted.
let isBroken = false;
const errors = [];
const visit = async (size = { width: 1280, height: 900 }) => {
  const context = await browser.newContext({ viewport: size });
  await context.addInitScript(watch);
  const page = await context.newPage();
  page.on("console", (said) => {
    const isRequest = /Failed to load resource|net::ERR_/.test(said.text());
    if (said.type() === "error" && !(isBroken && isRequest)) errors.push(said.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  return page;
};
const seen = (page) => page.evaluate(() => window.seen);
const received = async (page) => (await seen(page)).states.filter(([state]) => state === "received").map(([, id]) => id);
const shown = (page) => page.waitForFunction(() => window.seen.states.some(([state]) => state === "applied"), null, { timeout: 10_000 });
const card = async (page, place) => {
  let why = "";
  for (let tries = 0; tries < 5; tries++) {
    const cards = await page.$$("#grid > a:visible");
    const chosen = cards[(place + tries) % Math.min(12, cards.length)];
    // A new order may have put it out of sight in between.
    why = await chosen.click({ timeout: 3000 }).then(() => "", (error) => error.message);
    if (!why) return;
  }
  throw new Error(`no product can be clicked: ${why}`);
};
const shoot = async (page, name) => {
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
};
// Every decision from the first that a page was told is in what it was told, once and in order.
const gapless = async (page, name, least) => {
  let [told, log] = [[], []];
  // The last ones may be on their way.
  for (let tries = 0; tries < 40; tries++) {
    told = await received(page);
    const [visitor] = (told[0] ?? "").split("/");
    const ids = lines("decisions.jsonl").filter((record) => record.visitor === visitor).map((record) => `${visitor}/${record.session}/${record.seq}`);
    log = ids.slice(ids.indexOf(told[0]));
    if (told.length && told.length >= log.length) break;
    await wait(250);
  }
  check(name, told.length >= least && told.join() === log.join(), `${told.length} told, ${log.length} in the log`);
};

// Browse: every click changes what is known; see how soon the page follows.
{
  const page = await visit();
  await page.goto(shop);
  await shown(page);
  const decided = new Set();
  for (let round = 0; round < 75; round++) {
    await card(page, round * 5);
    await wait(250);
    if (round % 3 === 2) await page.click("#add");
    if (round % 7 === 3) await page.click("header a[href='/cart']");
    await wait(450);
    if (round % 4 === 1) await page.click("header .logo");
    if (round % 8 === 7) {
      await page.click("#open");
      await page.click("#anew");
      await page.click("#close");
    }
    await wait(200);
    for (const [state, id] of (await seen(page)).states) if (state === "applied") decided.add(id);
  }
  const saw = await seen(page);
  const sorted = saw.delays.slice().sort((a, b) => a - b);
  const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? NaN;
  check("decisions applied", decided.size >= 50, `${decided.size}, ${saw.held} of them once the pointer had left`);
  check("click to changed page, p95", p95 < 100, `${p95.toFixed(1)} ms over ${sorted.length} (p50 ${sorted[sorted.length >> 1]?.toFixed(1)} ms)`);
  check("layout shift", saw.shift <= 0.01, saw.shift.toFixed(4));

  // Hesitate with a full cart, as somebody who is not in the holdout.
  for (let tries = 0; tries < 8; tries++) {
    await page.click("#open");
    await page.click("#anew");
    await page.click("#close");
    await card(page, 1);
    await page.click("#add");
    await wait(1500);
    if (!(await seen(page)).holdout) break;
  }
  await page.click("header a[href='/cart']");
  await page.mouse.move(5, 500);
  const arm = () => page.$eval(".promo > p:not([hidden])", (p) => p.dataset.rsArm);
  await wait(16_000);
  const after = await arm();
  // The shopper has done nothing: what the page applied now, the hesitation timer decided.
  const { states } = await seen(page);
  const applied = new Set(states.filter(([state]) => state === "applied").map(([, id]) => id));
  const timed = lines("decisions.jsonl").filter((record) => record.trigger === "timer:hesitation" && record.changed.length > 0);
  const stalled = timed.filter((record) => applied.has(`${record.visitor}/${record.session}/${record.seq}`));
  check("hesitating changes the page", stalled.length >= 1, `${stalled.map((record) => `${record.phase}: ${record.changed}`).join(", ") || "nothing applied"}`);
  const sums = await page.textContent("#cart_sum");
  const promised = { free_shipping: /tomorrow\s*free/, cart_discount: /Ten per cent off/ }[after];
  check("what the strip promises is in the total", promised?.test(sums), `${after}: ${sums}`);
  const visible = (await seen(page)).states.filter(([state]) => state === "visible").length;
  check("seen decisions are reported", visible >= 3, `${visible}`);
  check("layout shift, to the end", (await seen(page)).shift <= 0.01, (await seen(page)).shift.toFixed(4));
  await page.context().close();
}

// Events that are sent while everything breaks: none is lost, and none counts twice.
const searches = async (page, prefix, many) => {
  for (let n = 0; n < many; n++) {
    await page.evaluate((path) => window.restage.track("search", { page: path }), `/s/${prefix}/${n}`);
    await wait(40);
  }
};
const counted = async (prefix, many, name) => {
  let [ids, pages] = [new Set(), new Set()];
  for (let tries = 0; tries < 120 && pages.size < many; tries++) {
    await wait(250);
    const rows = lines("lane.jsonl").filter((row) => row.page?.startsWith(`/s/${prefix}/`));
    [ids, pages] = [new Set(rows.map((row) => row.event_id)), new Set(rows.map((row) => row.page))];
  }
  check(name, pages.size === many && ids.size === many, `${pages.size} of ${many} in the lane, under ${ids.size} ids`);
};

// The collector answers 503 twice, and then the connection drops for a moment.
{
  isBroken = true;
  const page = await visit();
  await page.goto(shop);
  await shown(page);
  let tries = 0;
  await page.route("**/v1/events", (route) => {
    tries++;
    if (tries < 3) return route.fulfill({ status: 503, body: "{}" });
    return tries < 5 ? route.abort() : route.continue();
  });
  await searches(page, "refused", 20);
  await counted("refused", 20, "events outlive 503 and a dropped connection");
  await page.context().close();
}

// The stream is cut, again and again.
{
  const page = await visit();
  await page.goto(shop);
  await shown(page);
  for (let round = 0; round < 14; round++) {
    if (round % 4 === 2) cut();
    await card(page, round * 3);
    await wait(1100);
    if (round % 2) await page.click("#add");
    await wait(300);
  }
  await gapless(page, "a stream that is cut leaves no gap", 6);
  await page.context().close();
}

// The program is killed and started again, twice.
{
  const page = await visit();
  await page.goto(shop);
  await shown(page);
  for (let round = 0; round < 16; round++) {
    if (round === 4 || round === 10) {
      await kill();
      await searches(page, `killed-${round}`, 10);
      await start();
    }
    await card(page, round * 3);
    await wait(1000);
    if (round % 2) await page.click("#add").catch(() => {});
    await wait(300);
  }
  await counted("killed-4", 10, "events outlive the first kill");
  await counted("killed-10", 10, "events outlive the second kill");
  await gapless(page, "kills leave no gap in decisions", 5);
  const visitors = new Set((await received(page)).map((id) => id.split("/")[0]));
  check("a visitor stays the same over kills", visitors.size === 1, `${visitors.size}`);
  await page.context().close();
  isBroken = false;
}

// Restage is away: the page is as it was served.
{
  isBroken = true;
  const page = await visit();
  await page.route("**/v1/**", (route) => route.abort());
  await page.goto(shop);
  await page.click("#grid > a:nth-child(3)");
  await page.click("#add");
  await page.click("header a[href='/cart']");
  const sum = await page.textContent("#cart_sum .total b");
  check("without Restage the shop sells", /€ \d/.test(sum), sum);
  await page.context().close();
  isBroken = false;
}

// A page that has none of the arms: what is decided has failed, and nobody has seen it. Texts beyond their limit
// cost nothing but their own rest.
{
  const page = await visit();
  await page.route((url) => url.pathname === "/", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replaceAll('data-rs-arm="', 'data-rs-arm="not_') });
  });
  await page.goto(shop);
  await page.waitForFunction(() => window.seen.states.some(([state]) => state === "failed"), null, { timeout: 10_000 });
  await card(page, 1);
  await page.click("#add");
  await wait(2500);
  const { states, sent } = await seen(page);
  const count = (name) => states.filter(([state]) => state === name).length;
  check("what has failed was seen by nobody", count("failed") > 0 && !count("visible") && !sent.includes("impression"), `${count("failed")} failed, ${count("visible")} seen`);
  await page.evaluate(() => {
    for (let n = 0; n < 60; n++) window.restage.track("search", { page: `/s/long/${n}/${"é".repeat(5000)}` });
    window.restage.track("click", { item: "x".repeat(129) });
  });
  await counted("long", 60, "long texts are cut, and long batches are split");
  const status = await (await fetch(`${control()}/v1/status`)).json();
  check("what was never sent is counted", status.collect.dropped === 1, `${status.collect.dropped}`);
  await page.context().close();
}

// Two tabs of one visitor; then away to another page and back to the very page that was left.
{
  const page = await visit();
  await page.goto(shop);
  await shown(page);
  const other = await page.context().newPage();
  await other.goto(shop);
  await shown(other);
  await page.bringToFront();
  await card(page, 1);
  await page.click("#add");
  await wait(1500);
  const [one, two] = [await received(page), await received(other)];
  check("two tabs are told the same", one.length > 1 && one.at(-1) === two.at(-1), `${one.at(-1)?.split("/").at(-1)} and ${two.at(-1)?.split("/").at(-1)}`);
  await other.close();
  await page.goto(`${control()}/`);
  await wait(400);
  await page.goBack({ waitUntil: "commit" });
  await wait(600);
  const { restored } = await seen(page);
  const told = await received(page);
  await card(page, 4);
  await page.click("#add");
  await wait(1500);
  const since = (await received(page)).length - told.length;
  check("back from the cache, the stream goes on", restored === 1 && since > 0, `restored ${restored} time, ${since} decisions since`);
  await gapless(page, "the cache leaves no gap", 2);
  await page.context().close();
}

// Every view at three widths; nothing is wider than the screen.
const wide = [];
for (const [name, width, height] of [["phone", 390, 844], ["tablet", 820, 1180], ["desktop", 1440, 900]]) {
  const page = await visit({ width, height });
  const look = async (view) => {
    await wait(500);
    await shoot(page, `${view}-${name}`);
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) wide.push(`${view}-${name}`);
  };
  await page.goto(shop);
  await shown(page);
  await look("home");
  await page.goto(`${shop}/c/ceramics`);
  await look("category");
  await page.goto(`${shop}/p/i8`);
  await look("product");
  await page.click("#add");
  await page.click("header a[href='/cart']");
  await look("cart");
  await page.click("#open");
  await wait(13_500);
  await look("drawer");
  const told = await page.$$eval("#visit dt", (names) => names.map((name) => [name.textContent, name.nextElementSibling.textContent]));
  const { "units in the basket": units, "products opened": opened } = Object.fromEntries(told);
  const last = (await received(page)).at(-1) ?? "";
  const record = lines("decisions.jsonl").findLast(({ visitor, session, seq }) => `${visitor}/${session}/${seq}` === last);
  const { cart_size, item_views } = record?.features ?? {};
  check(`the drawer shows the features of the last record (${name})`, units === "1" && units === `${cart_size}` && opened === `${item_views}`, `${units} in the basket, ${opened} opened, of ${cart_size} and ${item_views}`);
  await page.click("#checkout");
  await look("checkout-drawer");
  await page.click("#close");
  await look("checkout");
  await page.click("#buy");
  await look("thanks");
  await page.goto(`${shop}/cart`);
  await look("empty");
  await page.goto(control());
  await wait(2500);
  await look("control");
  if (folder) await page.screenshot({ path: `${folder}/control-whole-${name}.png`, fullPage: true });
  await page.context().close();
}
check("no view is wider than its screen", !wide.length, wide.join(", ") || "30 views");
check("no error in the console", errors.length === 0, errors.slice(0, 3).join(" | ") || "none");

clearInterval(crowds);
await browser.close();
await kill();
wire.close();
cut();
rmSync(work, { recursive: true });
console.log(failed ? `${failed} failed` : "all held");
process.exit(failed ? 1 : 0);
