//! Problems of a body in words of JSON. The keys of bodies and of files are read by one parser, whose remedies show lines of a
//! file.

/// What a remedy calls the values of a file, and of JSON.
const WORDS: [(&str, &str); 4] = [
    ("a list of tables", "a list of objects"),
    ("must be a table", "must be an object"),
    (", not a table", ", not an object"),
    (", with its keys between the braces", ""),
];

/// A problem as the author of a JSON body needs it: `write window = "daily"` is `write "window": "daily"`.
pub(super) fn in_json(problem: &str) -> String {
    let problem = WORDS.iter().fold(problem.to_owned(), |text, (toml, json)| text.replace(toml, json));
    let problem = without_headers(&problem);
    let (mut out, mut rest) = (String::with_capacity(problem.len()), problem.as_str());
    while let Some((before, value)) = rest.split_once(" = ") {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let key_len = before.bytes().rev().take_while(|byte| is_part(*byte)).count();
        let (text, key) = before.split_at(before.len() - key_len);
        out.push_str(text);
        if key.is_empty() {
            out.push_str(" = ");
            rest = value;
            continue;
        }
        out.extend(["\"", key, "\": "]);
        let time_len = time_len(value);
        let (time, after) = value.split_at(time_len);
        if !time.is_empty() {
            out.extend(["\"", time, "\""]);
        }
        rest = after;
    }
    out + rest
}

/// `write [[filters]] before the keys of each` is `write a list of objects`.
fn without_headers(problem: &str) -> String {
    const END: &str = "]] before the keys of each";
    match problem.split_once("[[").zip(problem.split_once(END)) {
        Some(((before, _), (_, after))) => format!("{before}a list of objects{after}"),
        None => problem.to_owned(),
    }
}

/// The bytes of a date or a time at the beginning of a text, which JSON writes as a text; 0: there is none.
fn time_len(text: &str) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"-:.TZ+".contains(byte);
    let len = text.bytes().take_while(|byte| is_part(byte)).count();
    let time = text[..len].trim_end_matches([':', '.']);
    let is_date = time.len() >= "2020-01-31".len() && time.as_bytes().get(4) == Some(&b'-');
    if is_date { time.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_in_json() {
        for (toml, json) in [
            (
                "`global_limit` must be a table, not true or false: write global_limit = { ... }, with its keys between \
                 the braces",
                "`global_limit` must be an object, not true or false: write \"global_limit\": { ... }",
            ),
            (
                "`filters` must be a list of tables, not a table: write [[filters]] before the keys of each",
                "`filters` must be a list of objects, not an object: write a list of objects",
            ),
            (
                "`window` is missing in a filter: write a window, such as window = \"daily\"",
                "`window` is missing in a filter: write a window, such as \"window\": \"daily\"",
            ),
            (
                "write window = \"weekly\" with calendar = true, or remove `week_starts_on`",
                "write \"window\": \"weekly\" with \"calendar\": true, or remove `week_starts_on`",
            ),
            (
                "write as_of = 2026-11-20T00:00:00Z: the time of the rates",
                "write \"as_of\": \"2026-11-20T00:00:00Z\": the time of the rates",
            ),
            ("`amount_limit = 1.5` is a float", "`\"amount_limit\": 1.5` is a float"),
            ("`min = 7` and ` = `", "`\"min\": 7` and ` = `"),
            ("a text without keys", "a text without keys"),
        ] {
            assert_eq!(in_json(toml), json);
        }
    }
}
