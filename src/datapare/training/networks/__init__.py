"""Networks that datapare builds."""
