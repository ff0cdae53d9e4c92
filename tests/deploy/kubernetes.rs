//! The objects of Kubernetes: that they parse, belong together, and give the program settings that it takes.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use wayfarer::config::{JournalKind, Settings, Workers};

use super::files::{is_command_line, settings, text, yaml};

const DIRECTORY: &str = "deploy/kubernetes";

/// Every object that is applied, by `Kind/name`.
fn objects() -> BTreeMap<String, Value> {
    let all = yaml(&format!("{DIRECTORY}/kustomization.yaml"));
    let resources = all[0]["resources"].as_array().expect("there are resources");
    let mut objects = BTreeMap::new();
    for file in resources {
        for object in yaml(&format!("{DIRECTORY}/{}", string(file))) {
            let name = format!("{}/{}", string(&object["kind"]), string(&object["metadata"]["name"]));
            assert!(object["apiVersion"].is_string(), "{name} says of which API it is");
            assert!(objects.insert(name.clone(), object).is_none(), "{name} is there twice");
        }
    }
    objects
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn pod(objects: &BTreeMap<String, Value>) -> &Value {
    &objects["StatefulSet/wayfarer"]["spec"]["template"]
}

fn container(objects: &BTreeMap<String, Value>) -> &Value {
    let containers = list(&pod(objects)["spec"]["containers"]);
    assert_eq!(containers.len(), 1);
    &containers[0]
}

/// What an instance of the name `wayfarer-0` goes by.
fn of_an_instance(objects: &BTreeMap<String, Value>) -> Settings {
    let file = string(&objects["ConfigMap/wayfarer"]["data"]["wayfarer.toml"]);
    let mut variables = Vec::new();
    for variable in list(&container(objects)["env"]) {
        let from = &variable["valueFrom"];
        let value = match (from["fieldRef"]["fieldPath"].as_str(), from["secretKeyRef"]["optional"].as_bool())
        {
            (Some("metadata.name"), None) => "wayfarer-0",
            // A secret that need not be there; that its key is one is asked below.
            (None, Some(true)) => continue,
            other => panic!("{variable}: {other:?}"),
        };
        variables.push((string(&variable["name"]).to_owned(), value.to_owned()));
    }
    settings(&format!("{DIRECTORY}/configmap.yaml"), file, &variables)
}

#[test]
fn all_that_is_needed_is_there_and_every_selector_finds_the_pods() {
    let objects = objects();
    let kinds: Vec<&str> = objects.keys().map(String::as_str).collect();
    let expected = [
        "ConfigMap/wayfarer",
        "NetworkPolicy/wayfarer",
        "PodDisruptionBudget/wayfarer",
        "Service/wayfarer",
        "Service/wayfarer-api",
        "StatefulSet/wayfarer",
    ];
    assert_eq!(kinds, expected);
    let labels = &pod(&objects)["metadata"]["labels"];
    for (name, selector) in [
        ("Service/wayfarer", &["selector"][..]),
        ("Service/wayfarer-api", &["selector"]),
        ("StatefulSet/wayfarer", &["selector", "matchLabels"]),
        ("PodDisruptionBudget/wayfarer", &["selector", "matchLabels"]),
        ("NetworkPolicy/wayfarer", &["podSelector", "matchLabels"]),
    ] {
        let of = selector.iter().fold(&objects[name]["spec"], |of, key| &of[*key]);
        let wanted = of.as_object().unwrap_or_else(|| panic!("{name} selects nothing"));
        assert!(!wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value), "{name}");
    }
}

#[test]
fn an_instance_has_a_name_that_stays_and_settings_that_are_right() {
    let objects = objects();
    let settings = of_an_instance(&objects);
    assert_eq!(settings.kafka.instance.as_str(), "wayfarer-0");
    assert_eq!(settings.journal.kind, JournalKind::Kafka);
    let set = &objects["StatefulSet/wayfarer"]["spec"];
    let headless = &objects[&format!("Service/{}", string(&set["serviceName"]))]["spec"];
    assert_eq!(headless["clusterIP"], "None");
    // The name of the secret's variable is that of a key.
    let keys = text("config/wayfarer.toml");
    for variable in list(&container(&objects)["env"]) {
        let name = string(&variable["name"]).to_ascii_lowercase();
        let key =
            name.strip_prefix("wayfarer_").and_then(|rest| rest.split_once("__")).expect("a variable").1;
        assert!(keys.contains(&format!("\n{key} = ")), "{name}");
    }
    assert_eq!(pod(&objects)["spec"]["enableServiceLinks"], false);
    let cores = string(&container(&objects)["resources"]["requests"]["cpu"]).parse().expect("whole cores");
    assert_eq!(settings.engine.workers, Workers::Count(cores));
    let image = string(&container(&objects)["image"]);
    assert_eq!(image.split_once(':'), Some(("wayfarer", env!("CARGO_PKG_VERSION"))));
    let arguments: Vec<&str> = list(&container(&objects)["args"]).iter().map(string).collect();
    is_command_line(DIRECTORY, &arguments);
}

#[test]
fn what_must_outlive_the_pod_is_on_its_volume_and_the_rest_cannot_be_written() {
    let objects = objects();
    let (settings, container) = (of_an_instance(&objects), container(&objects));
    let claims = list(&objects["StatefulSet/wayfarer"]["spec"]["volumeClaimTemplates"]);
    let kept = string(&claims[0]["metadata"]["name"]);
    let mount = |of: &str| {
        let found = list(&container["volumeMounts"]).iter().find(|mount| mount["name"] == of);
        string(&found.unwrap_or_else(|| panic!("{of} is not mounted"))["mountPath"]).to_owned()
    };
    let checkpoints = settings.kafka.checkpoints.expect("there are checkpoints");
    let histograms = settings.metrics.histogram_log.expect("there is a log of histograms");
    assert!(checkpoints.starts_with(mount(kept)) && histograms.starts_with(mount(kept)));
    let file = list(&container["args"]).iter().map(string).find(|argument| argument.ends_with(".toml"));
    assert!(Path::new(file.expect("a file of settings")).starts_with(mount("config")));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let context = &pod(&objects)["spec"]["securityContext"];
    assert_eq!(context["runAsNonRoot"], true);
    // The user of the image.
    let user = format!("USER {}:{}\n", context["runAsUser"], context["runAsGroup"]);
    assert!(text("deploy/Dockerfile").contains(&user), "{user}");
}

#[test]
fn probes_and_ports_are_those_of_the_server_and_it_has_the_time_that_it_takes_to_end() {
    let objects = objects();
    let (settings, container) = (of_an_instance(&objects), container(&objects));
    let port = &list(&container["ports"])[0];
    assert_eq!(port["containerPort"], settings.http.listen.port());
    assert!(settings.http.listen.ip().is_unspecified(), "others in the cluster reach it");
    let routes = text("src/http/app.rs");
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((string(&get["path"]), &get["port"]), (path, &port["name"]));
        assert!(routes.contains(&format!(".route(\"{path}\"")), "{path}");
    }
    for service in ["Service/wayfarer", "Service/wayfarer-api"] {
        assert_eq!(list(&objects[service]["spec"]["ports"])[0]["targetPort"], port["name"], "{service}");
    }
    let grace = pod(&objects)["spec"]["terminationGracePeriodSeconds"].as_u64().expect("seconds");
    let before = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().expect("seconds");
    let least = settings.http.shutdown_timeout.as_millis() + settings.kafka.request_timeout.as_millis();
    assert!((grace - before) * 1000 >= 2 * least, "{grace} s for {least} ms after {before} s");
    // A session that is longer than a restart takes would be no good reason to keep users waiting.
    assert!(settings.kafka.session_timeout.as_millis() <= grace * 1000);
}
