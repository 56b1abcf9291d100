//! The form of a preview, as the pages write it: hidden fields, and a button `step=confirm`.
//!
//! A second person sees the preview without its forms, and confirms with the hidden fields of that very preview. So a page
//! that has a preview needs no more for it. `maud` escapes every value, so that a tag in the text is one of the page.

/// The text without its forms.
pub(super) fn without_forms(markup: &str) -> String {
    let mut rest = markup;
    let mut shown = String::new();
    while let Some((before, form)) = rest.split_once("<form ") {
        shown.push_str(before);
        rest = form.split_once("</form>").map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    shown
}

/// The hidden fields of the form that confirms; `None`: the page has no such form, so nothing can be confirmed.
pub(super) fn confirming_fields(markup: &str) -> Option<Vec<(String, String)>> {
    let forms = markup.split("<form ").skip(1).filter_map(|form| form.split_once("</form>"));
    let (form, _) = forms.into_iter().find(|(form, _)| form.contains("name=\"step\" value=\"confirm\""))?;
    let inputs = form.split("<input ").skip(1).filter_map(|input| input.split_once('>')).map(|(input, _)| input);
    let hidden = inputs.filter(|input| attribute(input, "type").as_deref() == Some("hidden"));
    Some(hidden.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?))).collect())
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("=\"") {
        let (value, next) = after.split_once('"')?;
        if before.trim_start() == name {
            return Some(unescaped(value));
        }
        rest = next;
    }
    None
}

/// A value as it was before `maud` escaped it.
fn unescaped(value: &str) -> String {
    value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use maud::html;

    #[test]
    fn the_fields_are_those_of_the_form_and_the_rest_is_shown() {
        let hostile = "\"><form name=\"step\" value=\"confirm\">&amp;";
        let page = html! {
            h2 { "This will change" }
            form method="get" { input type="text" name="other" value="1"; }
            p { (hostile) }
            form method="post" action="change" {
                input type="hidden" name="seen" value=(hostile);
                input type="hidden" name="empty" value="";
                input type="text" name="count" value="7";
                button name="step" value="confirm" { "Change" }
            }
            p { "End" }
        }
        .into_string();
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(confirming_fields(&page), Some(vec![field("seen", hostile), field("empty", "")]));
        let shown = without_forms(&page);
        assert!(shown.starts_with("<h2>") && shown.ends_with("<p>End</p>"), "{shown}");
        assert!(!shown.contains("<form") && !shown.contains("<input") && shown.contains("&lt;form"), "{shown}");
        assert_eq!(confirming_fields("<p>nothing</p>"), None);
        assert_eq!(confirming_fields("<form ><button name=\"step\" value=\"preview\"></button></form>"), None);
    }
}
