//! Reading a model, whoever trained it.

use super::{Label, Model, ModelError, lightgbm};

impl Model {
    /// Reads a model, whoever trained it: a model file, or a dump of LightGBM, which gives one score.
    ///
    /// # Errors
    /// [`ModelError`] for what is wrong with it.
    pub fn any(bytes: &[u8]) -> Result<Model, ModelError> {
        match lightgbm::is_dump(bytes) {
            true => Model::of_dump(bytes),
            false => Model::read(bytes),
        }
    }

    /// The same; where it gives one score only, that is p_purchase, and the other comes from the
    /// built-in model.
    ///
    /// # Errors
    /// [`ModelError`] for what is wrong with it.
    pub fn whole(bytes: &[u8]) -> Result<Model, ModelError> {
        let model = Model::any(bytes)?;
        Ok(match lightgbm::is_dump(bytes) {
            true => Model::shipped().with_head(Label::Purchase, &model),
            false => model,
        })
    }
}
