"use strict";

// The visitor's record, if there is one, makes the page theirs. It came as
// the value of an attribute, escaped by nginx; what it says is text from
// elsewhere, and gets into the page as text only.

(() => {

const PICKS = 6;

const content = document.querySelector('meta[name="visitor"]').content;
let visitor;

try {
    visitor = JSON.parse(content).data;
} catch {
    // Nobody is known here.
}

if (typeof visitor !== "object" || visitor === null) {
    return;
}


function text(value) {
    return typeof value === "string" ? value.trim() : "";
}


// Only pages of this site: a record must not be able to lead elsewhere, nor
// to run anything ("javascript:").

function address(value) {
    if (text(value) === "") {
        return null;
    }

    try {
        const url = new URL(text(value), location.origin);

        return url.origin === location.origin ? url.href : null;

    } catch {
        return null;
    }
}


function pick(entry) {
    const title = text(entry?.title);
    const href = address(entry?.url);

    if (title === "" || href === null) {
        return null;
    }

    const item = document.createElement("li");
    const link = document.createElement("a");
    const strong = document.createElement("strong");
    const why = document.createElement("span");

    link.href = href;
    strong.textContent = title;
    why.textContent = text(entry.why);
    link.append(strong, " ", why);
    item.append(link);

    return item;
}


const name = text(visitor.first_name);

if (name !== "") {
    const isolated = document.createElement("bdi");

    isolated.textContent = name;
    document.querySelector("#greeting")
            .replaceChildren("Welcome back, ", isolated);
}

const picks = (Array.isArray(visitor.recommended) ? visitor.recommended : [])
              .map(pick).filter(item => item !== null).slice(0, PICKS);

if (picks.length > 0) {
    document.querySelector("#picks-title").textContent = "Picked for you";
    document.querySelector("#picks").replaceChildren(...picks);
}

})();
