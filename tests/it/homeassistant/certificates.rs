//! Home Assistant through TLS.

use crate::harness::{
    files::Secrets,
    homeassistant::{HomeAssistant, answers::house},
    source::{RunningSource, failure},
    tls::{Front, Identity},
};

#[tokio::test]
async fn a_certificate_on_file_is_trusted_and_no_other() {
    let secrets = Secrets::new();
    let homeassistant = HomeAssistant::start(house());
    let own = Identity::self_signed();
    let front = Front::start(own.clone(), homeassistant.address);
    let host = format!("https://{}", front.address);
    let trusting = |pem: &str| {
        let ca = secrets.key("homeassistant_ca_file", pem);
        homeassistant.config_at(&host, &ca)
    };
    RunningSource::start(&trusting(&own.pem)).power(800.0).await;
    let failure = failure(&trusting(&Identity::self_signed().pem)).await;
    assert!(failure.contains("put it into homeassistant_ca_file to trust exactly"), "{failure}");
}
