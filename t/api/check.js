// check.js OPENAPI.YAML - compare replies with the description of the API.
//
// Standard input is a JSON array of exchanges, each with
//
//     name        of the kind of reply; examples of that name are compared
//     path        the key below "paths"
//     method      in lower case; any other than get and head is "options"
//     sent        the request's headers and parameters, by their names
//     status, header (arrays by lower-case name), body
//     varies      true for a page whose numbers, times and names of files are
//                 of the moment: of these only the type is compared
//
// Standard output is a JSON object:
//
//     document    what is wrong with the document itself
//     exchanges   what is wrong with each exchange, in the same order
//     unseen      what the document has and no exchange has shown
//     codes       "STATUS CODE" of all that the document has

'use strict';

const fs = require('fs');
const { pathToFileURL } = require('url');

const Ajv = require('ajv/dist/2020').default;
const YAML = require('yaml');

// nginx's own, in replies of any kind
const COMMON = new Set(['connection', 'content-length', 'content-type',
                        'date', 'server']);

// of the page: what does not depend on the moment
const FIXED = new Set(['bytes', 'code', 'generation', 'id', 'le', 'message',
                       'name', 'ready', 'records', 'sealed', 'status',
                       'store']);

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch',
                 'trace'];

const doc = YAML.parse(fs.readFileSync(process.argv[2], 'utf8'));
const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });

require('ajv-formats').default(ajv);

const referenced = new Set();
const validators = new Map();
const expected = new Map();     // what has to be seen -> its name
const seen = new Set();


function follow(node) {
    while (node && node.$ref !== undefined) {
        referenced.add(node.$ref);

        let target = doc;

        for (const part of node.$ref.replace(/^#\//, '').split('/')) {
            target = target && target[part];
        }
        if (target === undefined) {
            throw new Error(`${node.$ref} leads nowhere`);
        }
        node = target;
    }

    return node;
}


// The schema with what it refers to, which nowhere refers to itself.

function inline(node) {
    if (Array.isArray(node)) {
        return node.map(inline);
    }
    if (node === null || typeof node !== 'object') {
        return node;
    }

    node = follow(node);

    return Object.fromEntries(
        Object.entries(node).map(([name, value]) => [name, inline(value)]));
}


function violations(schema, value) {
    if (!validators.has(schema)) {
        validators.set(schema, ajv.compile(inline(schema)));
    }

    const validate = validators.get(schema);

    return validate(value) ? []
        : validate.errors.map((e) => `${e.instancePath} ${e.message}`);
}


function codes(schema) {
    schema = inline(schema);

    const parts = [schema, ...(schema.allOf || [])];

    return parts.flatMap((part) => {
        const code = part.properties && part.properties.code;

        return (code && code.enum) || [];
    });
}


// An exchange's name stands for its examples: those of its parameters, of the
// reply's headers and of its body.

function compare(examples, exchange, same, problems, what) {
    const example = examples && follow(examples[exchange.name]);

    if (!example) {
        return;
    }

    seen.add(example);

    if (!same(example.value)) {
        problems.push(`${what}: not the example `
                      + JSON.stringify(example.value));
    }
}


function alike(example, value) {
    if (example === null || typeof example !== 'object') {
        return typeof example === typeof value;
    }

    return value !== null && typeof value === 'object'
        && Object.keys(example).join() === Object.keys(value).join()
        && Object.keys(example).every((name) => {
            return FIXED.has(name)
                ? example[name] === value[name]
                : alike(example[name], value[name]);
        });
}


function checkSent(item, operation, exchange, problems) {
    const parameters = [...(item.parameters || []),
                        ...(operation.parameters || [])].map(follow);

    for (const parameter of parameters) {
        const value = exchange.sent[parameter.name];

        compare(parameter.examples, exchange, (e) => `${e}` === `${value}`,
                problems, parameter.name);

        if (value !== undefined) {
            seen.add(parameter);
        }
    }

    if (exchange.status !== 200) {
        return;
    }

    for (const alternative of operation.security || doc.security) {
        for (const name of Object.keys(alternative)) {
            const scheme = doc.components.securitySchemes[name];
            const value = exchange.sent[scheme.name || 'Authorization'] || '';

            if (scheme.type === 'apiKey' ? value
                : value.toLowerCase().startsWith(`${scheme.scheme} `))
            {
                seen.add(scheme);
            }
        }
    }
}


function checkHeaders(response, exchange, problems) {
    const known = new Set(COMMON);

    for (const [name, reference] of Object.entries(response.headers || {})) {
        const header = follow(reference);
        const values = exchange.header[name.toLowerCase()] || [];

        known.add(name.toLowerCase());

        if (values.length === 0) {
            if (header.required
                || header.examples && header.examples[exchange.name])
            {
                problems.push(`${name}: is not there`);
            }
            continue;
        }
        if (values.length > 1) {
            problems.push(`${name}: more than one`);
        }

        const value = header.schema.type === 'integer' ? +values[0]
                                                       : values[0];

        seen.add(header);
        problems.push(...violations(header.schema, value)
                      .map((text) => `${name}: ${text}`));
        compare(header.examples, exchange, (e) => e === value, problems,
                `${name}: ${value}`);
    }

    for (const name of Object.keys(exchange.header)) {
        if (!known.has(name)) {
            problems.push(`${name}: is not in the document`);
        }
    }
}


function checkBody(response, exchange, problems) {
    const { header, body, method, path, status } = exchange;

    if (!response.content) {
        if (body !== '') {
            problems.push('there is a body');
        }
        return;
    }

    const media = response.content[(header['content-type'] || [])[0]];

    if (!media) {
        problems.push(`content type ${header['content-type']}`);
        return;
    }

    const value = JSON.parse(body);

    problems.push(...violations(media.schema, value));

    if (value.code !== undefined) {
        seen.add(`${method} ${path} ${status} ${value.code}`);
        if (value.status !== status) {
            problems.push('another status in the body');
        }
    }

    compare(media.examples, exchange, (example) => {
        return exchange.varies ? alike(example, value)
                               : JSON.stringify(example) === body;
    }, problems, body);
}


function check(exchange) {
    const { path, method, status } = exchange;
    const problems = [];

    const item = doc.paths[path];
    const operation = item && item[method];
    const response = operation && follow(operation.responses[status]);

    if (!response) {
        return [`no ${method} ${path} ${status} in the document`];
    }

    seen.add(`${method} ${path} ${status}`);

    try {
        checkSent(item, operation, exchange, problems);
        checkHeaders(response, exchange, problems);
        checkBody(response, exchange, problems);

    } catch (e) {
        problems.push(e.message);
    }

    return problems;
}


// -- what there is to see ---------------------------------------------------

function expectResponses(found) {
    const problems = [];

    for (const [path, item] of Object.entries(doc.paths)) {
        for (const method of METHODS.filter((name) => item[name])) {
            const responses = Object.entries(item[method].responses);

            for (const [status, reference] of responses) {
                const response = follow(reference);
                const name = `${method} ${path} ${status}`;

                expected.set(name, name);

                for (const media of Object.values(response.content || {})) {
                    for (const code of codes(media.schema)) {
                        found.add(`${status} ${code}`);
                        expected.set(`${name} ${code}`, `${name} ${code}`);

                        if (!media.examples[code]) {
                            problems.push(`${name} ${code}: no example`);
                        }
                    }

                    for (const example of Object.values(media.examples)) {
                        problems.push(
                            ...violations(media.schema, follow(example).value)
                            .map((text) => `${name}, an example: ${text}`));
                    }
                }
            }
        }
    }

    return problems;
}


function expectParts(node, place) {
    if (node === null || typeof node !== 'object') {
        return;
    }

    for (const [name, value] of Object.entries(node)) {
        const here = `${place}/${name}`;

        if (/\/examples$/.test(place) && value.value !== undefined) {
            expected.set(value, here);
            continue;
        }
        if (/^\/components\/(headers|parameters|securitySchemes)$/.test(place)
            || /\/parameters$/.test(place) && !value.$ref)
        {
            expected.set(value, here);
        }

        expectParts(value, here);
    }
}


function unused() {
    return Object.entries(doc.components)
        .filter(([kind]) => kind !== 'securitySchemes')
        .flatMap(([kind, parts]) => Object.keys(parts)
            .map((name) => `#/components/${kind}/${name}`))
        .filter((name) => !referenced.has(name))
        .map((name) => `${name} is not used`);
}


async function main() {
    const library = require.resolve('@seriousme/openapi-schema-validator');
    const { Validator } = await import(pathToFileURL(library));

    const { valid, errors } = await new Validator()
        .validate(JSON.parse(JSON.stringify(doc)));

    const result = {
        version: doc.info.version,
        document: valid ? [] : [JSON.stringify(errors)],
        unseen: [],
        codes: [],
    };

    if (valid) {
        const found = new Set();

        result.document.push(...expectResponses(found));
        expectParts(doc, '');
        result.codes = [...found].sort();
    }

    result.exchanges = JSON.parse(fs.readFileSync(0, 'utf8')).map(check);
    result.document.push(...unused());

    for (const [thing, name] of expected) {
        if (!seen.has(thing)) {
            result.unseen.push(name);
        }
    }

    console.log(JSON.stringify(result));
}

main();
