//! Files with secrets that others may read.

use super::Finding;
use crate::{config::Config, source::SourceConfig};

/// What is wrong with those of the configuration.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let files = config.sources.iter().flat_map(SourceConfig::secrets);
    let open = files.filter(|(_, secret)| secret.is_open_to_all()).map(|(key, _)| {
        let finding =
            Finding::warning(format!("{key}: every user of this machine may read the file"));
        finding.remedy("chmod 600 it")
    });
    open.collect()
}
