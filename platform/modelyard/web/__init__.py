"""The shell around all pages: home, navigation, errors, template tags."""
