//! Every value is escaped, and no page brings scripts or styles.

use super::*;

/// A page without the elements that load our scripts: files of the daemon, named with their hash.
fn without_our_scripts(page: &str) -> String {
    script_names().into_iter().fold(page.to_owned(), |page, name| {
        let Some((before, rest)) = page.split_once(&format!("assets/{name}\" defer></script>")) else { return page };
        let (before, _) = before.rsplit_once("<script src=\"").expect("the begin of the element");
        format!("{before}{rest}")
    })
}

#[tokio::test]
async fn every_value_is_escaped_and_no_page_has_a_script_or_a_style_of_its_own() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let mut names = 0;
    let is_page = |row: &&PageRow| row.method == PageMethod::Get && matches!(row.handler, Handler::Page(_));
    for row in PAGES.iter().filter(is_page) {
        for query in ["", "?name=%3Cscript%3Ealert&amount=%3Cscript%3E&customer_id=%3Cscript%3E&q=%3Cscript%3E"] {
            let path = example_path(row);
            let query = if path.contains('?') { query.replace('?', "&") } else { query.to_owned() };
            let page = visit.page(&format!("{path}{query}")).await;
            for forbidden in
                ["<script", "\"onload=", " style=", "<style", "javascript:", "onclick", "href=\"/", "http://"]
            {
                let found = without_our_scripts(&page).replace("http://www.w3.org/2000/svg", "").contains(forbidden);
                assert!(!found, "{path}{query} contains {forbidden}");
            }
            names += usize::from(page.contains("&lt;script&gt;alert"));
        }
    }
    assert!(names > 8, "the hostile name is shown on {names} pages");
}
