// The ids that a page shows: those in the selection first, then those in what
// the selector names or, without one, in the whole page. Runs in the page, so
// that nothing outside of this function is there.

export function find(pattern, selector, most) {
    const CHARACTERS = 500000;
    const found = new Map();
    let left = CHARACTERS;

    const take = (text, selected) => {
        const part = String(text ?? "").slice(0, left);

        left -= part.length;

        for (const match of part.matchAll(new RegExp(pattern, "gu"))) {
            // A group, if the pattern has one, is the id.
            const id = match[1] ?? match[0];

            if (id !== "" && !found.has(id) && found.size < most) {
                found.set(id, selected);
            }
        }
    };

    take(getSelection(), true);

    const selected = document.activeElement;

    if (typeof selected?.selectionStart === "number"
        && selected.type !== "password")
    {
        take(selected.value.slice(selected.selectionStart,
                                  selected.selectionEnd), true);
    }

    if (selector) {
        for (const element of document.querySelectorAll(selector)) {
            take(element.value ?? element.innerText ?? element.textContent);
        }

    } else {
        for (const link of document.querySelectorAll("a[href^='mailto:' i]")) {
            try {
                take(decodeURIComponent(link.pathname));
            } catch {
                // no address
            }
        }

        for (const input of document.querySelectorAll("input[type=email]")) {
            take(input.value);
        }

        take(document.body?.innerText);
    }

    return [...found].map(([id, selected]) => ({ id,
                                                 selected: !!selected }));
}
