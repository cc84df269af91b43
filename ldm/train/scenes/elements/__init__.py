"""The things scenes are made of; each module draws one family on a Stage."""
