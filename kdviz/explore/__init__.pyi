from .bertviz import attention as attention
from .sentences import layer_relations as layer_relations, next_words as next_words, word_relations as word_relations
