// The panel beside a page. It asks the endpoint of config.json, which holds
// the key, for the customer whom the page names.

import { find } from "./find.js";

const SECONDS = 15;
const SLOW = 500;
const MOST = 8;
const DEPTH = 3;

const $ = id => document.getElementById(id);
const tab = Number(new URLSearchParams(location.search).get("tab"));


// -- the configuration ------------------------------------------------------

async function configuration() {
    const config = await (await fetch("config.json")).json();
    const url = new URL(config.endpoint);
    const lists = [config.title, config.columns];

    // A record is not for whoever is on the way.
    if (url.protocol !== "https:" && url.hostname !== "127.0.0.1") {
        throw new TypeError("endpoint is not https");
    }

    if (!Number.isInteger(config.entity) || typeof config.label !== "string"
        || !lists.every(Array.isArray) || url.search || url.hash)
    {
        throw new TypeError("a member is missing or wrong");
    }

    new RegExp(config.pattern, "gu");
    document.createElement("div").matches(config.selector || "a");

    const endpoint = url.href.replace(/\/?$/, "/");

    return { ...config,
             record: `${endpoint}entities/${config.entity}/record?record_id=` };
}


// -- requests ---------------------------------------------------------------

// What went wrong, in words; "again" where another try may help, "answer" where
// nothing did, and there is no record.

class Problem extends Error {
    constructor(title, text, { code = "", again = false, answer = false } = {})
    {
        super(title);
        Object.assign(this, { title, text, code, again, answer });
    }
}


// Numbers stay as the source wrote them: 0.10 is not 0.1.

function parse(text) {
    return JSON.parse(text, (name, value, context) =>
        typeof value === "number" ? JSON.rawJSON(context.source) : value);
}


async function ask(id, signal) {
    let response, text;

    try {
        response = await fetch(config.record + encodeURIComponent(id), {
            cache: "no-store",
            credentials: "include",
            redirect: "error",
            referrerPolicy: "no-referrer",
            signal: AbortSignal.any([signal,
                                     AbortSignal.timeout(SECONDS * 1000)]),
        });
        text = await response.text();

    } catch (error) {
        signal.throwIfAborted();

        throw error.name === "TimeoutError"
            ? new Problem("The server takes too long.",
                          `No complete reply within ${SECONDS} seconds.`,
                          { again: true })
            : new Problem("The server cannot be reached.",
                          "Are you in the office’s network, or its VPN? "
                          + "It may also not know this extension.",
                          { again: true });
    }

    let said;

    try {
        said = parse(text);
    } catch {
        said = null;
    }

    if (response.status === 200 && said && typeof said.data === "object"
        && said.data !== null)
    {
        return { data: said.data, headers: response.headers };
    }

    throw refusal(response, typeof said?.code === "string" ? said.code : "");
}


function refusal(response, code) {
    const status = response.status;
    const about = (title, text) =>
        new Problem(title, text, { code: `${status} ${code}`.trim(),
                                   again: status === 429 || status >= 500 });

    if (code === "record_not_found") {
        return new Problem("No record.", "There is no customer with exactly "
                           + `this ${config.label.toLowerCase()}.`,
                           { answer: true });
    }

    if (code === "invalid_record_id") {
        return about("This cannot be right.", "It is too long.");
    }

    if (code === "store_unavailable" || code === "entity_not_ready") {
        return about("The data cannot be read at present.",
                     "Try again in a moment.");
    }

    if (status === 401 || status === 403) {
        return about("The server refuses.",
                     "This extension, or this computer, may not ask it. "
                     + "Whoever runs the server can say why.");
    }

    if (status === 429) {
        return about("Too many requests.", "Wait a moment.");
    }

    return about("The server answers something else.",
                 "Is the endpoint in config.json right?");
}


// -- the record -------------------------------------------------------------

// Text from outside gets into the panel as text only, here.

function make(tag, className = "", ...content) {
    const element = document.createElement(tag);

    element.className = className;
    element.append(...content);

    return element;
}


function words(name) {
    const text = name.replace(/[_\s]+/g, " ").trim() || name;

    return text[0] === undefined ? "(no name)"
                                 : text[0].toUpperCase() + text.slice(1);
}


const plain = value => typeof value === "string" || JSON.isRawJSON(value)
                       || typeof value === "boolean";

const asText = value => typeof value === "string" ? value
                        : JSON.stringify(value);


function rows(data, names, depth) {
    return make("dl", "", ...names.map(name => {
        const value = shown(data[name], depth);
        const wide = value.matches("dl, ul.many, pre");

        return make("div", wide ? "wide" : "", make("dt", "", words(name)),
                    make("dd", "", value));
    }));
}


// What is nested far below is JSON.

function shown(value, depth = 0) {
    if (value === null || value === "" || Object.keys(value).length === 0
        && !plain(value))
    {
        return make("span", "none", value === null ? "none" : "empty");
    }

    if (plain(value)) {
        return make("bdi", JSON.isRawJSON(value) ? "number" : "",
                    asText(value));
    }

    if (Array.isArray(value) && value.every(plain)) {
        return make("ul", "chips", ...value.map(each =>
            make("li", "", make("bdi", "", asText(each)))));
    }

    if (depth === DEPTH) {
        return make("pre", "", JSON.stringify(value, null, 2));
    }

    return Array.isArray(value)
           ? make("ul", "many", ...value.map(each =>
                 make("li", "", shown(each, depth + 1))))
           : rows(value, Object.keys(value), depth + 1);
}


function ago(seconds) {
    const format = new Intl.RelativeTimeFormat("en", { numeric: "always" });
    const unit = [["day", 86400], ["hour", 3600], ["minute", 60]]
                 .find(each => seconds >= each[1]) ?? ["second", 1];

    return seconds < 1 ? "just now"
           : format.format(-Math.floor(seconds / unit[1]), unit[0]);
}


function show(id, { data, headers }) {
    const text = name => typeof data[name] === "string" ? data[name].trim()
                                                        : "";
    const title = config.title.map(text).filter(Boolean).join(" ");
    const names = config.columns.length
                  ? config.columns.filter(name => Object.hasOwn(data, name))
                  : Object.keys(data).filter(name => data[name] !== id
                        && !(title && config.title.includes(name)));
    const age = headers.get("X-Data-Age") ?? "";
    const heading = make("h2", "", make("bdi", "", title || id));

    heading.id = "title";

    $("record").replaceChildren(heading,
        ...(title ? [make("p", "id", make("bdi", "", id))] : []),
        rows(data, names, 0));

    if (/^[0-9]{1,10}$/.test(age)) {
        $("record").append(make("p", "note", `Refreshed ${ago(+age)}`));
    }

    $("record").hidden = false;
    say(`Record of ${title || id}`);
}


// -- the panel --------------------------------------------------------------

let config;
let last = new AbortController();
let saying;

// The same words twice are to be heard twice.

function say(text) {
    clearTimeout(saying);
    $("status").textContent = "";
    saying = setTimeout(() => { $("status").textContent = text; }, 50);
}


function complain(problem, again) {
    const box = make("div", problem.answer ? "problem answer" : "problem",
                     make("p", "", make("strong", "", problem.title), " ",
                          problem.text));

    if (problem.code) {
        box.append(make("p", "code", problem.code));
    }

    if (problem.again && again) {
        const button = make("button", "", "Try again");

        button.type = "button";
        button.addEventListener("click", () => {
            $("id").focus();
            again();
        });
        box.append(button);
    }

    $("problem").replaceChildren(box);
}


// Nobody is shown; a lookup that is under way ends.

function clear(id = "") {
    last.abort();
    last = new AbortController();

    $("id").value = id;
    $("form").removeAttribute("aria-busy");
    $("hint").hidden = true;
    $("problem").replaceChildren();
    $("record").hidden = true;
    $("record").replaceChildren();
    say("");

    for (const button of $("ids").querySelectorAll("button")) {
        button.setAttribute("aria-pressed",
                            String(button.dataset.id === id));
    }
}


// The last lookup counts, in whatever order replies come.

async function lookup(wanted) {
    const id = config.lowercase ? wanted.trim().toLowerCase() : wanted.trim();

    clear(id);
    const { signal } = last;

    if (id === "") {
        $("id").focus();
        return;
    }

    $("form").setAttribute("aria-busy", "true");

    const slow = setTimeout(() => {
        hint("Asking the server …");
        say($("hint").textContent);
    }, SLOW);

    try {
        const reply = await ask(id, signal);

        signal.throwIfAborted();
        show(id, reply);

    } catch (error) {
        if (!signal.aborted) {
            complain(error instanceof Problem ? error
                     : new Problem("This cannot be shown.", String(error)),
                     () => lookup(id));
        }

    } finally {
        clearTimeout(slow);

        if (!signal.aborted) {
            $("hint").hidden = true;
            $("form").removeAttribute("aria-busy");
        }
    }
}


function hint(text) {
    $("hint").textContent = text;
    $("hint").hidden = false;
}


// Reads the page. What is selected there, or stands alone there, is shown at
// once.

async function look() {
    let found;

    clear();

    try {
        const [{ result }] = await chrome.scripting.executeScript({
            target: { tabId: tab }, func: find,
            args: [config.pattern, config.selector, MOST + 1] });

        found = result ?? [];

    } catch {
        // The tab has gone to another site, or is one of the browser's own.
        $("found").hidden = true;
        hint("This page cannot be read. Press the extension’s icon again, or "
             + "type above whom you look for.");
        return;
    }

    const ids = new Map();

    for (const each of found) {
        const id = config.lowercase ? each.id.toLowerCase() : each.id;

        ids.set(id, ids.get(id) || each.selected);
    }

    $("ids").replaceChildren(...[...ids.keys()].slice(0, MOST).map(id => {
        const button = make("button", "", make("bdi", "", id));
        const item = make("li", "", button);

        button.type = "button";
        button.dataset.id = id;
        button.setAttribute("aria-pressed", "false");
        button.addEventListener("click", () => lookup(id));

        return item;
    }));
    $("found").hidden = ids.size === 0;

    const chosen = [...ids].find(([, selected]) => selected)?.[0]
                   ?? (ids.size === 1 ? [...ids.keys()][0] : null);

    if (chosen !== null) {
        lookup(chosen);

    } else if (ids.size === 0) {
        hint(`${config.label}: none on this page. Type one above.`);
        say($("hint").textContent);

    } else if (ids.size > MOST) {
        hint("There are more on this page. Select the one you mean there, "
             + "then press Read page.");
        say($("hint").textContent);

    } else {
        say(`${ids.size} found on this page`);
    }
}


try {
    config = await configuration();
    $("label").textContent = config.label;

    $("form").addEventListener("submit", event => {
        event.preventDefault();
        lookup($("id").value);
    });
    $("again").addEventListener("click", look);
    chrome.runtime.onMessage.addListener(message => {
        if (message.look === tab) {
            look();
        }
    });

    // Nobody is to be taken for the customer of another page.
    chrome.tabs.onUpdated.addListener((id, { status }) => {
        if (id === tab && status === "loading") {
            $("found").hidden = true;
            clear();
        } else if (id === tab && status === "complete") {
            look();
        }
    });

    await look();

} catch (error) {
    $("again").disabled = true;
    $("id").disabled = true;
    $("form").querySelector("button").disabled = true;
    complain(new Problem("The file config.json is wrong.", error.message));
}
