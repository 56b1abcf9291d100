//! Differences of the daemon's settings: secrets are not shown, and when a change takes effect.

use super::*;

#[test]
fn the_text_of_a_token_and_a_password_are_compared_and_not_shown() {
    let (mut old, mut new) = (valid(&files()), valid(&files()));
    let credential =
        |files: &Loaded, digest| crate::config::Credential { token: files.settings.auth.tokens[0].clone(), digest };
    old.credentials = vec![credential(&old, [1; 32])];
    new.credentials = vec![credential(&new, [2; 32])];
    let differences: Vec<String> = compared(&old, &new).iter().map(ToString::to_string).collect();
    assert_eq!(differences, ["token shop: text changed"]);
    let redis =
        |url: &str| Some(crate::config::Redis::new(crate::config::RedisUrl::parse(url).unwrap(), "redis.key".into()));
    new.credentials = old.credentials.clone();
    old.settings.redis = redis("redis://me:one@host");
    new.settings.redis = redis("redis://me:two@host");
    let differences: Vec<String> = compared(&old, &new).iter().map(ToString::to_string).collect();
    assert_eq!(differences, ["[redis] url changed; takes effect at the next start"]);
}

#[test]
fn every_key_of_redis_takes_effect_at_the_next_start() {
    const SECTION: &str = r#"[redis]
url = "rediss://host"
key_file = "redis.key"
ack = "redis"
on_outage = "continue"
lease_ms = 3000
renew_ms = 500
prefix = "levelgate"
snapshot_interval_s = 300
password_file = "redis.password"
ca = "ca.pem"
timeouts.connect_ms = 1000
timeouts.response_ms = 1000
timeouts.total_ms = 3000
"#;
    let with = |section: &str| {
        let mut files = files();
        files.get_mut("levelgate.toml").unwrap().push_str(section);
        files
    };
    for (key, to, want) in [
        ("url", "\"rediss://other\"", "url changed"),
        ("key_file", "\"other.key\"", "key_file \"redis.key\" -> \"other.key\""),
        ("ack", "\"redis+2\"", "ack redis -> redis+2"),
        ("on_outage", "\"refuse\"", "on_outage continue -> refuse"),
        ("lease_ms", "2000", "lease_ms 3000 -> 2000"),
        ("renew_ms", "1000", "renew_ms 500 -> 1000"),
        ("prefix", "\"eu-1\"", "prefix levelgate -> eu-1"),
        ("snapshot_interval_s", "60", "snapshot_interval_s 300 -> 60"),
        ("password_file", "\"other\"", "password_file \"redis.password\" -> \"other\""),
        ("ca", "\"other.pem\"", "ca \"ca.pem\" -> \"other.pem\""),
        ("timeouts.connect_ms", "500", "timeouts.connect_ms 1000 -> 500"),
        ("timeouts.response_ms", "500", "timeouts.response_ms 1000 -> 500"),
        ("timeouts.total_ms", "2000", "timeouts.total_ms 3000 -> 2000"),
    ] {
        let line = SECTION.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        let told = lines(&with(SECTION), &with(&SECTION.replace(line, &format!("{key} = {to}"))));
        assert_eq!(told, [format!("[redis] {want}; takes effect at the next start")]);
    }
    let told = lines(&files(), &with(SECTION));
    assert_eq!(told.len(), 13, "{told:?}");
    assert!(told.iter().all(|line| line.starts_with("[redis] ") && line.contains("next start")), "{told:?}");
}
