use super::super::*;

#[test]
fn the_built_in_profiles_are_valid() {
    for (name, text) in built_in_targets() {
        let profile = TargetProfile::parse(text, name).unwrap();
        assert_eq!(profile.name, *name);
        assert!(!profile.description.is_empty());
    }
}

#[test]
fn the_profile_of_the_documentation_is_valid() {
    let page = include_str!("../../../../profiles/targets/README.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let profile = TargetProfile::parse(example, "README.md").unwrap();
    assert_eq!(profile.name, "parley");
}

#[test]
fn a_target_may_want_its_keys_in_another_format() {
    let (_, good) = built_in_targets()[0];
    for (written, format) in [
        ("uuid8", KeyFormat::Uuid8),
        ("uuid4-shaped", KeyFormat::Uuid4Shaped),
        ("hex", KeyFormat::Hex),
        ("base36", KeyFormat::Base36),
        ("hash", KeyFormat::Hash),
    ] {
        let text = good.replace("\"uuid8\"", &format!("\"{written}\""));
        assert_eq!(TargetProfile::parse(&text, "t").unwrap().key_format, format);
    }
    let without = good.split("[key]").next().unwrap();
    assert_eq!(TargetProfile::parse(without, "t").unwrap().key_format, KeyFormat::Uuid8);
}

#[test]
fn errors_name_the_place() {
    let (_, good) = built_in_targets()[0];
    for (bad, expected) in [
        (good.replace("dedup", "dedupe"), "t.toml:32:1: unknown key `dedupe`; did you mean `dedup`?"),
        (good.replace("\"slack\"", "\"irc\""), "t.toml:6:8: unknown variant `irc`"),
        (good.replace("\"uuid8\"", "\"uuid4\""), "t.toml:49:10: unknown value `uuid4`; did you mean"),
        (good.replace("\"1s\"", "\"soon\""), "t.toml: capabilities.lag: \"soon\" is no duration"),
    ] {
        let error = TargetProfile::parse(&bad, "t.toml").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
